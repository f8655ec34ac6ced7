// Minamoto: see docs/snippet.md
(settings, parts) => {
  'use strict';

  const { src, dataset } = document.currentScript || document.querySelector('script[data-site],script[src*="/m.js?site="]') || {};
  const { site, consent } = Object.assign(settings, dataset);
  const stub = window.minamoto || {};
  if (!site || stub.loaded) return;

  // The page hears of no error.
  const safely = (work) => (...values) => {
    try { return work(...values); } catch (_) {}
  };

  let allowed; // undefined: not asked yet; false: refused, keep nothing
  let visitor = '';
  let view = ''; // address of the page
  let fresh; // its hit
  let waiting = []; // hits to send
  let flying = []; // hits sent, not answered
  let typed = []; // fields that GET forms put into the next address
  let near; // whether the collector may set the cookie
  let timer;
  let clock = 0;
  let decide = () => {};
  const counted = new Set();
  const touched = new WeakSet();

  const clip = (value, length = 255) => String(value || '').slice(0, length).replace(/[\ud800-\udfff]/gu, '');

  const random = (length) => crypto.getRandomValues(new Uint8Array(length)).map((byte) => byte % 10).join('');

  // On the device

  const keep = safely(() => {
    if (allowed) sessionStorage._mnm = JSON.stringify([flying.concat(waiting), typed]);
  });

  const bake = (value, age, domain) => {
    document.cookie = '_mnm=' + value + ';Max-Age=' + age + ';Path=/;SameSite=Lax' +
      (domain && ';Domain=' + domain) + (location.protocol === 'https:' ? ';Secure' : '');
    return document.cookie.includes(value);
  };

  // Widest first: wider than the site is refused.
  const domains = location.hostname.split('.').map((_, i, parts) => parts.slice(-1 - i).join('.')).concat('');

  // The visitor; then a dot if a script wrote it.
  const remembered = () => safely(() => /\b_mnm=([\w-]{16,64})(\.?)/.exec(document.cookie))() || [];

  const remember = safely((host) => {
    const [, known, dot = '.'] = remembered();
    visitor = known || random(26);
    const within = (domain) => ('.' + host).endsWith('.' + domain);
    // What the collector has set lives longer.
    near = (!dot && within(domains[1])) || within(domains.find((domain) => bake(visitor + '.' + random(3), 34128000, domain)));
  });

  const forget = safely(() => {
    visitor = view = '';
    waiting = flying = typed = [];
    domains.forEach((domain) => bake('', 0, domain));
    delete sessionStorage._mnm;
  });

  // Delivery

  const hit = (kind, facts) => {
    clock = Math.max(clock + 1, Date.now()); // no two at once: their order counts
    const time = clock.toString(16).padStart(12, 0);
    const id = `${time.slice(0, 8)}-${time.slice(8)}-7${random(3)}-8${random(3)}-${random(12)}`;
    return Object.assign({ id, kind, at: clock, url: view, title: clip(document.title) }, facts);
  };

  const record = (one) => {
    if (allowed === false) return;
    waiting = waiting.concat(one).slice(-60);
    timer = timer || setTimeout(flush, 100);
  };

  const flush = safely(() => {
    timer = clearTimeout(timer);
    if (!allowed || !waiting[0]) return;
    if (fresh) fresh.title = clip(document.title); // apps set it late
    const hits = waiting;
    const { href, hostname } = new URL('m/e', src);
    if (!visitor) remember(hostname);
    const body = JSON.stringify({ v: 1, site, visitor, sent_at: Date.now(), consent: consent === 'opt-in' ? 'granted' : 'none', hits });
    const settle = ({ status }) => {
      flying = flying.filter((one) => !hits.includes(one));
      // No answer, or a busy or broken collector: again with the next hit.
      if (!(status < 500) || status === 429) waiting = hits.concat(waiting);
      near = status && near; // perhaps it takes no credentials
      (allowed ? keep : forget)();
    };
    flying = flying.concat(hits);
    waiting = [];
    keep();
    // Text needs no preflight. A cookie that was deleted stays so.
    const credentials = near && remembered()[1] === visitor ? 'include' : 'omit';
    fetch(href, { method: 'POST', body, credentials, keepalive: body.length < 3e4 }).then(settle, settle);
  });

  // Page views

  const clean = (address) => {
    const url = address && new URL(address);
    if (url) typed.forEach((name) => url.searchParams.delete(name));
    return clip(url, 2048);
  };

  const page = safely(() => {
    if (allowed === false) return;
    const referrer = clean(view || document.referrer);
    view = clean(location.href);
    counted.clear();
    fresh = hit('page', { referrer });
    record(fresh);
  });

  const moved = safely(() => {
    if (clean(location.href).split('#')[0] !== view.split('#')[0]) page();
  });

  // Forms

  const MAIL = /^[^\s@<>"(),:;]+@[^\s@<>"(),:;]+\.[^\s@.]{2,}$/;
  const MAIL_WORD = /mail|メール/i;
  const AGAIN = /confirm|verif|again|repeat|確認|再/i;
  const PHONE = /^\+?[\d\s().−ー-]{8,20}$/;
  const PHONE_WORD = /(^|[^a-z])tel|phone|mobile|電話|携帯/i;
  const NEVER = /friend|recipient|invit|\b(refer|search)|紹介|友|検索/i;
  const SIGN_UP = /sign.?up|regist|join|trial|登録/i;

  // What is out of sight is a trap for robots, if no visitor was there.
  const reachable = (field) => {
    const { width, right } = field.getBoundingClientRect();
    const { visibility, opacity } = getComputedStyle(field);
    return touched.has(field) || (width > 2 && right + scrollX > 0 && visibility === 'visible' && opacity > 0 && field.tabIndex >= 0);
  };

  const identifiersIn = (fields) => {
    const found = {};
    let best = -99;
    fields.forEach((field) => {
      const { type, name, id, placeholder, autocomplete } = field;
      const value = field.value.normalize('NFKC').trim();
      const words = [name, id, placeholder, autocomplete, field.getAttribute('aria-label')]
        .concat(Array.from(field.labels || [], (label) => label.textContent)).join(' ');
      if (!/^(email|text|tel)$/.test(type) || NEVER.test(words) || field.matches(':disabled') || !reachable(field)) return;
      if (MAIL.test(value)) {
        const score = (type + words).split(MAIL_WORD).length - 9 * AGAIN.test(words);
        if (score > best) [best, found.email] = [score, clip(value)];
      } else if (PHONE.test(value) && PHONE_WORD.test(words) && value.split(/\d/).length < 14) {
        found.phone = found.phone || value;
      }
    });
    return found;
  };

  // Without event: the page has called form.submit().
  const submitted = safely((form, event) => {
    // An input named "elements" hides the form's own.
    const fields = Array.from(Reflect.get(HTMLFormElement.prototype, 'elements', form));
    const attribute = (name) => clip(Element.prototype.getAttribute.call(form, name));
    const inputs = fields.filter((field) => field.tagName === 'INPUT');
    const secrets = inputs.filter((field) => field.type === 'password');
    const identifiers = identifiersIn(inputs);
    const about = { id: attribute('id'), name: attribute('name'), action: attribute('action').split(/[?#]/)[0] };
    const one = hit('form', { form: about, identifiers });
    if (attribute('data-m-form') === 'off') return;
    const invalid = fields.some((field) => field.matches(':invalid'));
    if (secrets[0]) {
      // A log-in is no lead. Of a sign-up nothing but the e-mail leaves.
      delete identifiers.phone;
      if (!secrets[1] && secrets[0].autocomplete !== 'new-password' && !SIGN_UP.test(JSON.stringify(about))) delete identifiers.email;
    }
    const key = JSON.stringify([about, identifiers]);
    decide();
    decide = safely(() => {
      const handled = event && event.defaultPrevented;
      if (!handled && !/post/i.test(attribute('method'))) {
        fields.forEach(({ type, name }) => /hidden|select/.test(type) || typed.includes(name) || typed.push(name));
        keep();
      }
      // A handler that cancels posts the form itself, or found it wanting.
      if (counted.has(key) || (handled && invalid) || !(identifiers.email || identifiers.phone)) return;
      counted.add(key);
      record(one);
      flush();
    });
    setTimeout(decide);
  });

  // Commands

  const commands = {
    page,
    event: (name, props) => {
      const flat = JSON.stringify(props || {}, (key, value) => (key && Object(value) === value ? String(value) : value));
      if (name) record(hit('event', { name: clip(name, 100), props: JSON.parse(flat) }));
    },
    identify: ({ email, phone }) => record(hit('identify', { identifiers: { email: clip(email), phone: clip(phone, 40) } })),
    consent: (given) => {
      const refused = allowed === false;
      allowed = !!given;
      if (!given) forget();
      else if (refused) page();
      flush();
    },
  };

  const start = safely(() => {
    allowed = consent !== 'opt-in' || remembered()[1];
    if (allowed) safely(() => { [waiting, typed] = JSON.parse(sessionStorage._mnm); })();
    page();

    ['pushState', 'replaceState'].forEach((name) => {
      const original = history[name];
      history[name] = function (...values) {
        const result = original.apply(this, values);
        moved();
        return result;
      };
    });
    addEventListener('popstate', moved);
    addEventListener('pageshow', (event) => event.persisted && page());

    const leave = () => { decide(); flush(); };
    addEventListener('pagehide', leave);
    addEventListener('visibilitychange', leave);

    addEventListener('focusin', (event) => touched.add(event.target));
    addEventListener('submit', (event) => submitted(event.target, event), true);
    const { submit } = HTMLFormElement.prototype;
    HTMLFormElement.prototype.submit = function (...values) {
      submitted(this);
      return submit.apply(this, values);
    };

    window.minamoto = safely((name, ...values) => commands[name](...values));
    minamoto.loaded = true;
    (stub.q || []).forEach((values) => minamoto(...values));
  });

  if (navigator.globalPrivacyControl) {
    window.minamoto = () => {};
    forget();
  } else if (document.prerendering) {
    document.addEventListener('prerenderingchange', start, { once: true });
  } else {
    start();
  }
}
