// A phone number that stands for this visitor in the place of the site's own: docs/calls.md#on-the-page
(kit) => {
  const KEPT = /^(script|style|noscript|template|textarea|select|option|input|title|svg)$/i;
  const BETWEEN = '[\\s\\-\u2010-\u2015\u2212\u30fc\uff0d.()\uff08\uff09/\u30fb\u3000]{0,3}';
  const wide = '\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19';
  const plain = (text) => text.replace(/[\uff10-\uff19]/g, (digit) => wide.indexOf(digit));
  const groupsOf = (text) => plain(text).match(/\d+/g) || [];
  const digitsOf = (text) => groupsOf(text).join('');
  const shown = kit.settings.numbers || []; // [['03-1111-2222', '+81 3-1111-2222'], …]
  const known = new Map(); // digits -> [the number of the site, 0 national or 1 international or 2 both]
  const given = new Map(); // the number of the site -> ['03-5555-6666', '+81 3-5555-6666']
  const found = new Set(); // numbers of the site that are on the page
  let done = new WeakMap(); // node -> the text that we wrote
  let pattern;
  let timer;
  let until = 0;
  let asked = '';

  // '+81 (0)3 1111 2222' is written, too.
  const both = ([national, international]) => {
    const [country] = groupsOf(international);
    const [first, ...rest] = groupsOf(national);
    return first[0] === '0' ? [country, '0', first.slice(1), ...rest] : [country, first, ...rest];
  };

  const learn = (own, number) => {
    [groupsOf(number[0]), groupsOf(number[1]), both(number)].forEach((groups, form) => {
      const digits = groups.join('');
      if (!known.has(digits)) known.set(digits, [own, form]);
    });
    const variants = [...known.keys()].sort((one, other) => other.length - one.length);
    const either = variants.map((digits) => [...digits].map((digit) => '[' + digit + wide[digit] + ']').join(BETWEEN));
    pattern = new RegExp('(^|[^\\d\uff10-\uff19])(' + either.join('|') + ')(?![\\d\uff10-\uff19])', 'g');
  };

  // The new number in the clothes of the old one: its separators, its full-width digits.
  const dress = (old, groups) => {
    const was = groupsOf(old);
    const between = plain(old).split(/\d+/).slice(1, -1);
    let cut = groups.filter((group) => group);
    const all = cut.join('');
    if (was.length === 1) cut = [all];
    else if (was.length !== cut.length && digitsOf(old).length === all.length) {
      let start = 0;
      cut = was.map(({ length }) => all.slice(start, start += length));
    }
    // Of other groups: the separator that stood between the last two.
    const joint = between[between.length - 1] || '-';
    const text = cut.map((group, i) => group + (i === cut.length - 1 ? '' : cut.length === was.length ? between[i] : joint)).join('');
    return /[\uff10-\uff19]/.test(old) ? text.replace(/\d/g, (digit) => wide[digit]) : text;
  };

  const replaced = (text) => text.replace(pattern, (whole, before, old) => {
    const [own, form] = known.get(digitsOf(old));
    const number = given.get(own);
    found.add(own);
    return number ? before + dress(old, form === 2 ? both(number) : groupsOf(number[form])) : whole;
  });

  const renew = (node, text, write) => {
    if (!text || done.get(node) === text) return;
    const now = replaced(text);
    if (now === text) return;
    done.set(node, now);
    write(now);
  };

  const walk = (root) => {
    const walker = document.createTreeWalker(root, 5, { // elements and texts
      acceptNode: (node) => (node.nodeType === 1 && (KEPT.test(node.nodeName) || node.isContentEditable === true) ? 2 : 1),
    });
    for (let node = root; node; node = walker.nextNode()) {
      if (node.nodeType === 3) renew(node, node.data, (now) => { node.data = now; });
      else if (/^a$/i.test(node.nodeName)) {
        const href = node.getAttribute('href') || '';
        if (/^tel:/i.test(href)) renew(node, href, (now) => node.setAttribute('href', now));
      }
    }
  };

  const look = () => {
    walk(document.documentElement);
    const wanted = [location.href.split('#')[0], ...found].join(); // each page view prolongs
    if (found.size && (wanted !== asked || Date.now() > until)) ask(wanted);
  };

  const ask = (wanted) => {
    asked = wanted;
    until = Infinity;
    const { url, referrer } = kit.landing() || {};
    kit.ask({ ask: 'number', url, referrer, shown: [...found] }).then((answer) => {
      const numbers = answer.numbers || [];
      until = numbers.length ? answer.until - 60000 : Infinity; // a minute before somebody else may be shown it
      numbers.forEach((number) => {
        const before = given.get(number.replace);
        if (before) learn(number.replace, before); // the number of before gives way, too
        given.set(number.replace, number.written);
      });
      done = new WeakMap();
      walk(document.documentElement);
    }).catch(() => {}); // the page keeps its own number
  };

  const soon = () => {
    timer = timer || setTimeout(kit.safely(() => {
      timer = 0;
      look();
    }), 200);
  };

  const start = () => {
    setTimeout(kit.safely(look)); // once the core knows what brought the visitor
    new MutationObserver(soon).observe(document.documentElement, {
      childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ['href'],
    });
    kit.listen(document, 'visibilitychange', soon);
    // Who looks at the page still sees the number, and holds it.
    setInterval(kit.safely(() => { if (!document.hidden && Date.now() > until) look(); }), 30000);
  };

  if (!shown[0] || !window.MutationObserver) return;
  shown.forEach((number) => learn(number[0], number));
  kit.allowed(() => {
    if (document.readyState === 'loading') kit.listen(document, 'DOMContentLoaded', start);
    else start();
  });
}
