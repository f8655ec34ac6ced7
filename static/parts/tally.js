// Tally: https://developers.tally.so/widgets/events
(kit) => {
  kit.messages(['tally.so'], ({ event, payload }) => {
    if (event !== 'Tally.FormSubmitted') return;
    const { formId, formName, fields } = payload;
    const told = fields.map(({ type, title, answer }) => ({ name: [type, title].join(' '), value: (answer || {}).value }));
    kit.lead({ provider: 'tally', id: String(formId), name: String(formName || '') }, told, null);
  });
}
