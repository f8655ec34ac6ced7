// HubSpot's chat: https://developers.hubspot.com/docs/api-reference/conversations-chat-configuration/chat-widget-sdk
(kit) => {
  kit.when(() => window.HubSpotConversations, (chat) => chat.on('conversationStarted', 
    kit.safely(({ conversation: { conversationId } }) => kit.chat({ provider: 'hubspot', id: conversationId }))));
}
