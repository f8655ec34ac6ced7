// Minamoto: see docs/snippet.md
(settings, parts) => {
  'use strict';

  // Elements with such a name hide what the document has; a tag manager leaves none.
  const { currentScript } = document;
  const tag = currentScript && currentScript.localName === 'script' ? currentScript : document.querySelector('script[data-site],script[src*="m.js?site="]') || {};
  const { site, consent, hash, gpc = 1, dnt, fields = 'phone' } = Object.assign(settings, tag.dataset);
  const stub = window.minamoto || {};
  if (!site || stub.loaded) return;

  // The page hears of no error.
  const safely = (work) => (...values) => {
    try { return work(...values); } catch (_) {}
  };

  // A setting may be an attribute's text.
  const isOn = (setting) => !/^(false|undefined)$/.test(setting);

  const listen = (target, type, work, capture) => target.addEventListener(type, safely(work), capture);

  const AGE = 34128000; // seconds that the cookie lives: 395 days
  const NAP = 9e4; // after so long without a sign a page is gone, and its hits are anybody's
  const TRIFLE = 3e3; // attention too short to tell of
  const me = '_mnm.' + Math.random();

  let allowed; // undefined: not asked yet; false: refused, keep nothing
  let visitor = '';
  let view = ''; // address of the page
  let fresh; // its hit
  let landing; // the hit that brought the visitor to this page; before consent, to the site
  let waiting = []; // hits to send
  let flying = []; // hits sent, not answered
  let typed = []; // fields that GET forms put into the next address
  let longing = []; // what waits for consent
  let near; // whether the collector may set the cookie
  let walled; // whether the page's policy forbids fetch
  let left; // the page is out of sight: others may take up what it leaves
  let holds = 0; // how many want the next beacon to wait
  let tries = 0;
  let soon;
  let later;
  let clock = 0;
  let decide = () => {};

  const clip = (value, length = 255) => String(value || '').slice(0, length).replace(/[\ud800-\udfff]/gu, '');

  const random = (length) => crypto.getRandomValues(new Uint8Array(length)).map((byte) => byte % 10).join('');

  // Old libraries give arrays a toJSON that spoils them.
  const json = (value, replacer) => {
    const { toJSON } = Array.prototype;
    delete Array.prototype.toJSON;
    const text = JSON.stringify(value, replacer);
    if (toJSON) Array.prototype.toJSON = toJSON;
    return text;
  };

  // On the device

  const keep = safely(() => {
    if (!allowed) return;
    sessionStorage._mnm = json(typed);
    const hits = flying.concat(waiting);
    if (hits[0]) localStorage[me] = json([left ? 0 : Date.now(), hits]);
    else delete localStorage[me];
  });

  // Each page writes an entry of its own, so none needs a lock. What two pages take up and send is one hit, by its id.
  const inherit = safely((all) => Object.keys(localStorage).forEach(safely((key) => {
    if (key.slice(0, 5) !== '_mnm.') return;
    const [at, hits] = JSON.parse(localStorage[key]);
    if (!all && Date.now() - at < NAP) return;
    delete localStorage[key];
    waiting = hits.concat(waiting);
  })));

  const bake = (pair, age, domain) => {
    document.cookie = pair + ';Max-Age=' + age + ';Path=/;SameSite=Lax' +
      (domain && ';Domain=' + domain) + (location.protocol === 'https:' ? ';Secure' : '');
    return document.cookie.includes(pair);
  };

  // Widest first: wider than the site is refused.
  const domains = [];
  const labels = location.hostname.split('.');
  for (let n = labels.length; n--;) domains.push(labels.slice(n).join('.'));
  domains.push('');

  // The visitor; then a dot if a script wrote it.
  const remembered = safely(() => /\b_mnm=([\w-]{16,64})(\.?)/.exec(document.cookie));
  const known = () => (remembered() || [])[1];
  // Of another name: an answer under way may still set the visitor's cookie.
  const isOff = safely(() => document.cookie.includes('_mnmoff='));

  const endpoint = new URL('m/e', tag.src);

  const remember = safely(() => {
    const [, id, dot] = remembered() || [0, '', '.'];
    visitor = id || visitor || random(26);
    const within = (domain) => ('.' + endpoint.hostname).endsWith('.' + domain);
    // What the collector has set lives longer.
    near = (!dot && within(domains[1])) || within(domains.find((domain) => bake('_mnm=' + visitor + '.' + random(3), AGE, domain)));
  });

  const forget = safely(() => {
    inherit(true);
    visitor = view = '';
    waiting = flying = typed = [];
    domains.forEach((domain) => bake('_mnm=', 0, domain));
    delete sessionStorage._mnm;
  });

  // Delivery

  const hit = (kind, facts) => {
    clock = Math.max(clock + 1, Date.now()); // no two at once: their order counts
    const time = clock.toString(16).padStart(12, 0);
    const id = `${time.slice(0, 8)}-${time.slice(8)}-7${random(3)}-8${random(3)}-${random(12)}`;
    return { id, kind, at: clock, url: view, title: clip(document.title), ...facts };
  };

  const record = (one) => {
    if (allowed === false) return;
    waiting = waiting.concat(one).slice(-60);
    soon = soon || setTimeout(flush, 100);
  };

  // Text needs no preflight. A cookie that was deleted stays so.
  const post = (query, body) => new Promise((answered) => {
    answered(fetch(endpoint + query, {
      method: 'POST',
      body,
      credentials: near && known() === visitor ? 'include' : 'omit',
      keepalive: body.length < 3e4,
    }));
  });

  const flush = safely((leaving) => {
    soon = clearTimeout(soon);
    later = clearTimeout(later);
    if (!allowed || !waiting[0] || (holds && !leaving)) return;
    if (fresh) fresh.title = clip(document.title); // apps set it late
    if (!visitor) remember();
    let n = walled ? 1 : waiting.length;
    let body;
    const write = () => {
      body = json({ v: 1, site, visitor, sent_at: Date.now(), consent: consent === 'opt-in' ? 'granted' : 'none', hits: waiting.slice(0, n) });
    };
    for (write(); body.length > 2e4 && n > 1; write()) n >>= 1;
    const hits = waiting.slice(0, n);
    waiting = waiting.slice(n);
    flying = flying.concat(hits);
    keep();
    const settle = safely(({ status } = {}) => {
      if (!flying.includes(hits[0])) return allowed || forget(); // refused meanwhile
      const isAnswered = status < 500 && status !== 429; // else no answer, or a busy or broken collector
      flying = flying.filter((one) => !hits.includes(one));
      if (!isAnswered) waiting = hits.concat(waiting);
      near = status && near; // perhaps it takes no credentials
      tries = isAnswered ? 0 : tries + 1;
      keep();
      if (waiting[0]) later = later || setTimeout(flush, tries && 500 * 2 ** Math.min(tries, 6) * (0.5 + Math.random()));
    });
    if (walled) {
      const image = new Image();
      image.onload = () => settle({ status: 200 });
      image.onerror = () => settle(tries > 3 ? { status: 400 } : {}); // it does not say whether it was refused
      image.src = endpoint + '?b=' + encodeURIComponent(body);
    } else if ((!window.fetch || (leaving && !('keepalive' in Request.prototype))) && navigator.sendBeacon(endpoint, body)) {
      settle({ status: 200 });
    } else {
      post('', body).then(settle, settle);
    }
  });

  // What the collector answers; nothing, if it does not.
  const ask = (question) => {
    if (!allowed) return Promise.resolve({});
    if (!visitor && !question.token) remember();
    return post('?ask', json({ v: 1, site, visitor: visitor || random(26), ...question }))
      .then((answer) => answer.json()).catch(() => ({}));
  };

  // Page views, and how long and how far they were read

  let since; // when attention began
  let engaged; // how much there was
  let deepest;
  let toldTime;
  let toldDepth;

  const attend = () => {
    const now = performance.now();
    if (since) engaged += now - since;
    since = !document.hidden && document.hasFocus() && now;
    if (since) left = 0;
    deepest = Math.max(deepest, Math.min(100, Math.round(100 * (scrollY + innerHeight) / document.documentElement.scrollHeight)));
  };

  const depart = safely(() => {
    attend();
    if (!fresh || (engaged - toldTime < TRIFLE && deepest <= toldDepth)) return;
    toldTime = engaged;
    toldDepth = deepest;
    record(hit('leave', { page: fresh.id, engaged: Math.round(engaged), scroll: deepest }));
  });

  const clean = (address) => {
    const url = address && new URL(address);
    if (url) typed.concat('_mnm', '_mnl').forEach((name) => url.searchParams.has(name) && url.searchParams.delete(name));
    return clip(url, 2048);
  };

  const page = safely(() => {
    if (allowed === false) return;
    depart();
    const referrer = clean(view || document.referrer);
    view = clean(location.href);
    counted.clear();
    told.clear();
    fresh = hit('page', { referrer });
    landing = landing || fresh;
    record(fresh);
    engaged = deepest = toldTime = 0;
    attend();
    toldDepth = deepest;
    fill();
  });

  const path = (address) => (isOn(hash) ? address : address.split('#')[0]);

  const moved = safely(() => {
    if (path(clean(location.href)) !== path(view)) page();
  });

  // Before consent the way in travels from page to page in the links, and nowhere else.

  // A parameter of the page's address, taken out of it.
  const takeOut = safely((name) => {
    let found;
    const rest = location.href.replace(RegExp(`([?&])${name}=([^&#]*)(&?)`), (_, before, value, after) => {
      found = decodeURIComponent(value);
      return after && before;
    });
    if (found) history.replaceState(history.state, '', rest);
    return found;
  });

  const arrive = safely((text) => {
    const [at, url, referrer] = JSON.parse(decodeURIComponent(atob(text)));
    if (Date.now() - at > 36e5 || new URL(url).host !== location.host) return;
    landing = hit('page', { referrer: clip(referrer, 2048), at, url: clip(url, 2048) });
    record(landing);
  });

  const decorate = (link, name, value) => {
    const before = link.getAttribute('href');
    const url = new URL(link.href);
    url.searchParams.set(name, value);
    link.href = url;
    setTimeout(() => link.setAttribute('href', before)); // it may be copied
  };

  const clicked = (event) => {
    const link = event.composedPath().find((node) => node.localName === 'a' && node.protocol);
    if (!link) return;
    if (link.protocol === 'tel:') {
      commands.event('phone click', { number: clip(decodeURIComponent(link.pathname), 40) });
    } else if (allowed === undefined && !event.defaultPrevented && link.host === location.host &&
      link.pathname + link.search !== location.pathname + location.search) {
      decorate(link, '_mnm', btoa(encodeURIComponent(json([landing.at, landing.url, landing.referrer]))));
    }
  };

  // Hidden fields

  const NAMED = /^(?:(first|initial|original|last|latest)[_.-])?(utm_)?(?:(channel|source|medium|campaign|term|content|landing_page|referrer)|(\w*clk?id|[gw]braid|li_fat_id|epik|rdt_cid|oppref))$/i;
  const filled = new WeakMap();
  let touches;
  let looking;

  // The collector knows the first and the last touch; until it has answered, the way in is the last.
  const valueFor = (field) => {
    const wish = field.getAttribute('data-m-fill');
    if (wish === 'visitor') return allowed && visitor;
    const [name, order, utm, word, clickId] = NAMED.exec(wish || field.name) || [];
    if (!name || !(wish || order || utm || clickId)) return '';
    if (!touches) {
      touches = {};
      longing.push(() => ask({ ask: 'touches', url: landing.url, referrer: landing.referrer }).then(safely((answer) => {
        touches = answer;
        fill();
      })));
      release();
    }
    const key = (word || clickId).toLowerCase();
    const isFirst = /^[fio]/i.test(order);
    if (touches.last) return (isFirst ? touches.first : touches.last)[key];
    const { searchParams } = new URL(landing.url);
    return !isFirst && searchParams.get(clickId ? key : 'utm_' + key);
  };

  const fill = safely((root) => {
    looking = 0;
    if (allowed === false || !landing) return;
    (root || document).querySelectorAll('input[data-m-fill],input[type=hidden]').forEach((field) => {
      // What the page has set stays.
      if (field.value && field.value !== filled.get(field)) return;
      const value = valueFor(field);
      if (!value) return;
      field.value = clip(value);
      filled.set(field, field.value);
    });
  });

  // Forms

  const MAIL = /^[^\s@<>"(),:;]+@[^\s@<>"(),:;]+\.[^\s@.]{2,}$/;
  const MAIL_WORD = /mail|メール/i;
  const AGAIN = /confirm|verif|again|repeat|確認|再/i;
  const PHONE = /^\+?[\d\s().−ー-]{8,20}$/;
  const PHONE_WORD = /(^|[^a-z])tel|phone|mobile|電話|携帯/i;
  const NEVER = /friend|recipient|invit|\b(refer|search)|紹介|友|検索/i;
  const SIGN_UP = /sign.?up|regist|join|trial|登録/i;

  const touched = new WeakSet();
  const steps = new WeakMap(); // a form's fields that the visitor was in, also when they are gone
  const counted = new Set();
  const told = new Map(); // who told of an e-mail address on this page view

  // What is out of sight is a trap for robots, if no visitor was there.
  const reachable = (field) => {
    const { width, right } = field.getBoundingClientRect();
    const { visibility, opacity } = getComputedStyle(field);
    return touched.has(field) || (width > 2 && right + scrollX > 0 && visibility === 'visible' && opacity > 0 && field.tabIndex >= 0);
  };

  // Whom [type, words, value] of each field name.
  const identifiersIn = (entries) => {
    const identifiers = {};
    const more = {};
    let best = -99;
    entries.forEach(([type, words, text]) => {
      const value = clip(text).normalize('NFKC').trim();
      if (!/^(email|text|tel)$/.test(type) || NEVER.test(words) || !value) return;
      if (MAIL.test(value)) {
        const score = (type + words).split(MAIL_WORD).length - 9 * AGAIN.test(words);
        if (score > best) [best, identifiers.email] = [score, value];
      } else if (PHONE.test(value)) {
        if (PHONE_WORD.test(words) && value.split(/\d/).length < 14 && /phone/.test(fields)) identifiers.phone = identifiers.phone || value;
      } else if (core.reads) {
        core.reads(more, words, value);
      }
    });
    return { identifiers, fields: more };
  };

  const entriesOf = (inputs) => inputs.filter((field) => !field.matches(':disabled') && reachable(field)).map((field) => [
    field.type,
    [field.name, field.id, field.placeholder, field.autocomplete, field.getAttribute('aria-label')]
      .concat(Array.from(field.labels || [], (label) => label.textContent)).join(' ').trim(),
    field.value,
  ]);

  // An input named "elements" hides the form's own.
  const fieldsOf = (form) => [...new Set([...Reflect.get(HTMLFormElement.prototype, 'elements', form), ...steps.get(form) || []])];
  const inputsOf = (form) => fieldsOf(form).filter((field) => field.localName === 'input');

  // Without event: the page has called form.submit().
  const submitted = safely((form, event) => {
    fill(Node.prototype.getRootNode.call(form));
    const all = fieldsOf(form);
    const attribute = (name) => clip(Element.prototype.getAttribute.call(form, name));
    const inputs = inputsOf(form);
    const secrets = inputs.filter((field) => field.type === 'password');
    const found = identifiersIn(entriesOf(inputs));
    const { identifiers } = found;
    const about = { id: attribute('id'), name: attribute('name'), action: attribute('action').split(/[?#]/)[0] };
    const one = hit('form', { form: about, ...found });
    if (attribute('data-m-form') === 'off') return;
    const invalid = all.some((field) => field.matches(':invalid'));
    if (secrets[0]) {
      // A log-in is no lead. Of a sign-up nothing but the e-mail leaves.
      one.fields = {};
      delete identifiers.phone;
      if (!secrets[1] && secrets[0].autocomplete !== 'new-password' && !SIGN_UP.test(json(about))) delete identifiers.email;
    }
    if (core.claims && core.claims(form, one)) return;
    const key = json([about, identifiers]);
    decide();
    decide = safely(() => {
      const handled = event && event.defaultPrevented;
      if (!handled && !/post/i.test(attribute('method'))) {
        all.forEach(({ type, name }) => /hidden|select/.test(type) || typed.includes(name) || typed.push(name));
        keep();
      }
      const { email, phone } = identifiers;
      // A handler that cancels posts the form itself, or found it wanting.
      if (counted.has(key) || told.get(email) || (handled && invalid) || !(email || phone)) return;
      counted.add(key);
      if (email) told.set(email, '');
      record(one);
      flush();
    });
    setTimeout(decide);
  });

  const entered = (event) => {
    const [field] = event.composedPath();
    const root = field.getRootNode();
    touched.add(field);
    if (field.form) steps.set(field.form, (steps.get(field.form) || new Set()).add(field));
    if (root.host) watch(root); // submit does not leave a shadow tree
    fill(root);
  };

  // A document, a shadow tree or a frame's document: each is watched once.
  const watched = new WeakSet();
  const watch = safely((root) => {
    if (watched.has(root)) return;
    watched.add(root);
    listen(root, 'submit', (event) => submitted(event.target, event), true);
    if (root.host) return;
    const { defaultView } = root;
    const frame = safely(({ contentWindow }) => contentWindow.minamoto || watch(contentWindow.document));
    listen(root, 'focusin', entered);
    listen(defaultView, 'click', clicked);
    listen(defaultView, 'auxclick', clicked);
    listen(root, 'load', ({ target }) => target.localName === 'iframe' && frame(target), true);
    root.querySelectorAll('iframe').forEach(frame);
    const { prototype } = defaultView.HTMLFormElement;
    const { submit } = prototype;
    prototype.submit = function (...values) {
      submitted(this);
      return submit.apply(this, values);
    };
    new MutationObserver(() => { looking = looking || setTimeout(fill, 200); }).observe(root, { childList: true, subtree: true });
  });

  // Commands

  const release = () => allowed && longing.splice(0).forEach((work) => safely(work)());

  const commands = {
    page,
    event: (name, props) => {
      const flat = json(props || {}, (key, value) => (key && Object(value) === value ? String(value) : value));
      if (name) record(hit('event', { name: clip(name, 100), props: JSON.parse(flat) }));
    },
    identify: ({ email, phone, name, company }) => record(hit('identify', {
      identifiers: { email: clip(email), phone: clip(phone, 40) },
      fields: { name: clip(name), company: clip(company) },
    })),
    consent: (given) => {
      const refused = allowed === false;
      allowed = !!given;
      if (!given) {
        // Where nobody is asked first, the refusal is kept; else as long as an answer may be under way.
        if (visitor || consent !== 'opt-in') domains.find((domain) => bake('_mnmoff=1', consent === 'opt-in' ? 60 : AGE, domain));
        forget();
      } else {
        domains.forEach((domain) => bake('_mnmoff=', 0, domain));
        if (refused) page();
      }
      release();
      flush();
    },
  };

  // What static/kit.js makes a kit of, for parts.
  const core = {
    settings, safely, listen, ask, clip, hit, record, flush, identifiersIn, entriesOf, inputsOf, counted, told, commands, decorate, takeOut,
    allowed: (work) => { longing.push(work); release(); },
    visitor: () => allowed && visitor,
    adopt: (id) => { visitor = visitor || id; },
    hold: (n) => { holds += n; flush(); },
    landing: () => landing,
  };

  const start = safely(() => {
    if (isOff()) forget();
    allowed = consent === 'opt-in' ? !!known() || undefined : !isOff();
    if (allowed) {
      typed = safely(() => JSON.parse(sessionStorage._mnm))() || [];
      inherit();
    }
    safely(arrive)(takeOut('_mnm'));
    if (parts) parts(core);
    page();

    listen(window, 'popstate', moved);
    listen(window, 'pageshow', (event) => event.persisted && page());
    listen(window, 'online', () => flush());
    listen(document, 'securitypolicyviolation', ({ blockedURI }) => { walled = walled || endpoint.href.startsWith(blockedURI); });

    const leave = safely(() => { left = 1; decide(); depart(); flush(true); keep(); });
    listen(window, 'pagehide', leave);
    listen(document, 'visibilitychange', () => (document.hidden ? leave() : attend()));
    ['focus', 'blur', 'scroll'].forEach((type) => listen(window, type, attend, { passive: true, capture: true }));

    watch(document);
    window.minamoto = safely((name, ...values) => commands[name](...values));
    minamoto.loaded = true;
    (stub.q || []).forEach((values) => minamoto(...values));

    ['pushState', 'replaceState'].forEach((name) => {
      const original = history[name];
      history[name] = function (...values) {
        const result = original.apply(this, values);
        moved();
        return result;
      };
    });
  });

  if ((navigator.globalPrivacyControl && isOn(gpc)) || (navigator.doNotTrack === '1' && isOn(dnt))) {
    window.minamoto = () => {};
    forget();
  } else if (document.prerendering) {
    document.addEventListener('prerenderingchange', start, { once: true });
  } else {
    start();
  }
}
