// Google Consent Mode: https://developers.google.com/tag-platform/security/guides/consent
(kit) => {
  let unasked = true; // no update yet, and no default that denies
  let timer;
  // What counts is analytics_storage. A default that denies is a question that nobody has answered yet: only an update refuses.
  const read = ([command, kind, { analytics_storage: state, wait_for_update: wait }]) => {
    if (command !== 'consent' || !state) return;
    clearTimeout(timer);
    if (kind === 'update') kit.consent(state === 'granted');
    // Where the visitor is, is not known here: of the defaults for regions the strictest holds.
    unasked = unasked && kind === 'default' && state === 'granted';
    if (unasked) timer = setTimeout(() => kit.consent(true), wait || 0);
  };
  const heard = kit.safely((entry) => read(Array.from(entry)));

  kit.when(() => window.dataLayer, (layer) => {
    const { push } = layer;
    layer.push = function (...entries) {
      const result = push.apply(this, entries);
      entries.forEach(heard);
      return result;
    };
    layer.slice().forEach(heard);
  });
}
