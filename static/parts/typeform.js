// Typeform: https://www.typeform.com/developers/embed/callbacks/
(kit) => {
  const told = {};
  kit.messages(['typeform.com'], ({ type, formId, responseId }) => {
    if (type !== 'form-submit' || told[responseId]) return;
    told[responseId] = 1;
    kit.event('form submitted', { provider: 'typeform', form: formId, response: responseId });
  });
}
