// LiveChat: https://platform.text.com/docs/extending-chat-widget/javascript-api
(kit) => {
  kit.when(() => window.LiveChatWidget, (widget) => {
    const chat = (id) => {
      const { email, name } = window.LiveChatWidget.get('customer_data');
      kit.chat({ provider: 'livechat', id: id || window.LiveChatWidget.get('chat_data').chatId, email, name });
    };
    const on = (event, tell) => widget.on(event, (told) => kit.when(() => told, () => tell(told)));
    on('customer_status_changed', ({ status }) => status === 'chatting' && chat());
    on('form_submitted', ({ type, ticket_id: id }) => type === 'ticket' && chat(id));
  });
}
