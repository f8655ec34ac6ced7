// Drift: https://devdocs.drift.com/docs/drift-events
(kit) => {
  let id;
  kit.when(() => window.drift && window.drift.on && window.drift, (drift) => {
    const on = (name, tell) => drift.on(name, kit.safely((event) => {
      id = event.conversationId || (event.data || {}).conversationId || id;
      kit.chat(Object.assign({ provider: 'drift', id }, tell(event.data || event)));
    }));
    on('startConversation', () => ({}));
    on('emailCapture', ({ email }) => ({ email }));
    on('phoneCapture', ({ phone }) => ({ phone }));
  });
}
