// Ninja Forms: https://ninjaforms.com/event-tracking-for-ninja-forms-no-plugin/
(kit) => {
  kit.owns('.nf-form-cont form');
  kit.when(() => window.jQuery, ($) => $(document).on('nfFormSubmitResponse', kit.safely((_, { id, response: { errors, data } }) => {
    // It tells failed submits as well, and halts, after which the form is submitted once more.
    if (Object.keys(errors || {}).length || data.halt) return;
    const fields = Object.keys(data.fields).map((key) => data.fields[key])
      .map(({ type, key, label, value }) => ({ name: [type, key, label].join(' '), value }));
    kit.lead({ provider: 'ninja', id: String(id), name: String((data.settings || {}).title || '') }, fields, null);
  })));
}
