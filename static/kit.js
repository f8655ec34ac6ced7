// What a part is given, for each provider's to be a few lines: docs/providers.md
(parts) => (core) => {
  const { settings, safely, listen, ask, clip, hit, record, flush, identifiersIn, entriesOf, inputsOf, counted, told, commands } = core;
  const owned = []; // selectors of forms that a part speaks for
  const held = new WeakMap(); // what those held when they were submitted
  const chats = new Set();

  core.claims = (form, found) => {
    if (!owned.some((selector) => Element.prototype.matches.call(form, selector))) return false;
    held.set(form, { identifiers: found.identifiers, fields: found.fields });
    return true;
  };

  const isBelow = (host, own) => ('.' + host).endsWith('.' + own.replace(/^www\./, ''));

  const kit = {
    settings,
    safely, // a function that never throws into the page
    listen,
    ask,

    // Whether a host is this one or below it; a leading www. makes no difference.
    isBelow,

    // Messages to the page from https origins at these hosts or below them; what is JSON is parsed.
    messages: (hosts, work) => listen(window, 'message', (event) => {
      const { protocol, hostname } = new URL(event.origin);
      if (protocol !== 'https:' || !hosts.some((host) => isBelow(hostname, host))) return;
      work(safely(JSON.parse)(event.data) || event.data, event);
    }),

    // Uses what find() gives, as soon as it gives something: for what loads later. For a minute.
    when: (find, use, n = 120) => {
      const found = safely(find)();
      if (found) safely(use)(found);
      else if (n) setTimeout(kit.when, 500, find, use, n - 1);
    },

    owns: (selector) => owned.push(selector),

    // Looks at each field of a form that is no address and no number, and adds to what is told of the visitor.
    reads: (look) => { core.reads = look; },

    // A provider has confirmed a form. Whom it names: its answers, or what its <form> held.
    lead: ({ provider, id, name }, answers, element) => {
      const form = { provider, id: clip(id), name: clip(name) };
      const entries = answers
        ? answers.map(({ name, value }) => ['text', clip(name), value])
        : element && !held.has(element) && entriesOf(inputsOf(element));
      const found = (entries ? identifiersIn(entries) : held.get(element)) || {};
      const { email, phone } = found.identifiers || {};
      const key = JSON.stringify([form, found]);
      if (counted.has(key) || told.has(email) || !(email || phone)) return;
      counted.add(key);
      if (email) told.set(email, provider);
      record(hit('form', { form, ...found }));
      flush();
    },

    chat: ({ provider, id, email, phone, name }) => {
      const found = identifiersIn([['email', 'mail', email], ['tel', 'phone', phone], ['text', 'name', name]]);
      const key = JSON.stringify([provider, id, found]);
      if (chats.has(key)) return;
      chats.add(key);
      record(hit('chat', { chat: { provider, id: clip(id) }, ...found }));
    },

    event: commands.event,
    consent: commands.consent,
    allowed: core.allowed, // does it once hits may be sent
    visitor: () => core.visitor() || '',
    adopt: core.adopt,
    landing: core.landing,
    decorate: core.decorate,
    takeOut: core.takeOut,

    // The next beacon waits for this, 1.5 seconds at most.
    hold: (promise) => {
      let free = () => {
        free = () => {};
        core.hold(-1);
      };
      core.hold(1);
      promise.then(() => free(), () => free());
      setTimeout(() => free(), 1500);
    },
  };

  parts.forEach((part) => safely(part)(kit));
}
