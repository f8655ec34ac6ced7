// Crisp: https://docs.crisp.chat/guides/chatbox-sdks/web-sdk/dollar-crisp/
(kit) => {
  // $crisp.push(["on", ...]) would take the page's own handler away: there is one for each event. So it is asked, not heard.
  const read = () => ['email', 'phone', 'nickname'].map((name) => window.$crisp.get('user:' + name) || '');
  kit.when(() => window.$crisp && window.$crisp.is, () => {
    let last = String(read());
    setInterval(kit.safely(() => {
      const [email, phone, name] = read();
      // Without an open chat it was the page that told who it is.
      const given = String(read()) !== last && window.$crisp.is('chat:opened');
      last = String(read());
      if (given && (email || phone)) kit.chat({ provider: 'crisp', id: window.$crisp.get('session:identifier'), email, phone, name });
    }), 1000);
  });
}
