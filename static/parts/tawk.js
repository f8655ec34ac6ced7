// tawk.to: https://developer.tawk.to/jsapi/ and the events of https://github.com/tawk/tawk-messenger-vue-3
(kit) => {
  // Of the callbacks on Tawk_API there is one each, and they are the page's. The same is told to the window.
  const chat = ({ email, phone, name }) => kit.chat({ provider: 'tawk', id: '', email, phone, name });
  const answer = (list, what) => {
    const { answer, value } = list.find(({ type, label }) => what.test(type) || what.test(label)) || {};
    return answer || value;
  };
  kit.listen(window, 'tawkChatStarted', () => chat({}));
  kit.listen(window, 'tawkOfflineSubmit', ({ detail }) => chat(detail));
  kit.listen(window, 'tawkPrechatSubmit', ({ detail }) => chat(Array.isArray(detail)
    ? { email: answer(detail, /e-?mail|メール/i), phone: answer(detail, /phone|電話/i), name: answer(detail, /name|名前/i) }
    : detail));
}
