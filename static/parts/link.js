// One journey over a site's domains: docs/snippet.md#several-domains
(kit) => {
  const FRESH = 6e4; // a token is good for two minutes; the visitor needs some of them
  const hosts = kit.settings.hosts || [];
  // Hosts of one domain share the cookie.
  const isNear = (host) => hosts.some((own) => kit.isBelow(host, own) && kit.isBelow(location.hostname, own));
  const isFar = (link) => /^https?:$/.test(link.protocol) && !isNear(link.hostname) && hosts.some((own) => kit.isBelow(link.hostname, own));
  const linkOf = (event) => event.composedPath().find((node) => node.localName === 'a' && node.href && isFar(node));
  let token;
  let until = 0;

  // The collector signs it, which takes a moment: asked for when a link is touched, there when it is clicked.
  const prepare = (event) => {
    if (!linkOf(event) || Date.now() < until) return;
    until = Date.now() + FRESH;
    kit.ask({ ask: 'link' }).then(({ link }) => { token = link; if (!link) until = 0; });
  };
  const clicked = (event) => {
    const link = linkOf(event);
    if (!link || !token || event.defaultPrevented) return;
    kit.decorate(link, '_mnl', token);
    token = '';
    until = 0;
  };
  ['pointerover', 'pointerdown', 'touchstart', 'focusin'].forEach((type) => kit.listen(window, type, prepare, { passive: true, capture: true }));
  kit.listen(window, 'click', clicked);
  kit.listen(window, 'auxclick', clicked);

  const arrived = kit.takeOut('_mnl');
  if (arrived) kit.allowed(() => kit.hold(kit.ask({ ask: 'join', token: arrived }).then(({ visitor }) => visitor && kit.adopt(visitor))));
}
