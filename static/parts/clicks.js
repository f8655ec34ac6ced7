// Clicks that lead away, where the site wants them: to other hosts, and to files. docs/snippet.md#clicks
(kit) => {
  const FILE = /\.(pdf|docx?|xlsx?|pptx?|csv|zip|rar|7z|gz|dmg|exe|msi|apk|mp3|mp4|mov|wav|epub|pages|key|numbers|txt)$/i;
  const wanted = String(kit.settings.clicks);
  const hosts = kit.settings.hosts || [];
  const isOwn = (host) => hosts.concat(location.hostname).some((own) => kit.isBelow(host, own));

  const clicked = (event) => {
    const link = event.composedPath().find((node) => /^a(rea)?$/.test(node.localName) && node.href);
    if (!link || !/^https?:$/.test(link.protocol)) return;
    const url = link.origin + link.pathname; // what stands behind the ? is the visitor's and the other site's
    if (/download/.test(wanted) && (link.hasAttribute('download') || FILE.test(link.pathname))) kit.event('download', { url });
    else if (/outbound/.test(wanted) && !isOwn(link.hostname)) kit.event('outbound click', { url });
  };
  kit.listen(window, 'click', clicked, true);
  kit.listen(window, 'auxclick', clicked, true);
}
