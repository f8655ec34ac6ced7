// Cal.com: https://cal.com/help/embedding/embed-events
(kit) => {
  const told = {};
  // Cal("on", ...) hears one namespace; the messages of the frames are those of all.
  kit.messages(['cal.com'], ({ originator, type, data }) => {
    if (originator !== 'CAL' || type !== 'bookingSuccessfulV2' || told[data.uid]) return;
    told[data.uid] = 1;
    kit.event('form submitted', { provider: 'calcom', form: data.eventTypeId, response: data.uid });
  });
}
