// Calendly: https://developer.calendly.com/api-docs/overview/embedding/notifying-the-parent-window
(kit) => {
  const told = {};
  kit.messages(['calendly.com'], ({ event, payload }, { source }) => {
    if (event !== 'calendly.event_scheduled' || told[payload.invitee.uri]) return;
    told[payload.invitee.uri] = 1;
    // The message does not say which calendar it was; the frame that it came from does.
    const frame = Array.from(document.querySelectorAll('iframe')).find(({ contentWindow }) => source && contentWindow === source);
    kit.event('form submitted', { provider: 'calendly', form: frame ? new URL(frame.src).pathname.slice(1) : '', response: payload.invitee.uri });
  });
}
