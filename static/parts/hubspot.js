// HubSpot forms: https://developers.hubspot.com/docs/api-reference/latest/marketing/forms/global-form-events
// Those of the old editor: https://developers.hubspot.com/docs/cms/start-building/features/forms/legacy-forms
(kit) => {
  const answers = {}; // of the old editor, by form: told before the server has answered

  // In one version a list of names and values, in another an object.
  const pairs = (values) => (Array.isArray(values) ? values : Object.keys(values).map((name) => ({ name, value: values[name] })));
  const lead = (id, values) => kit.lead({ provider: 'hubspot', id: String(id || ''), name: '' }, pairs(values), null);

  const told = ({ type, eventName, id, data }) => {
    if (type !== 'hsFormCallback') return;
    if (eventName === 'onFormSubmit') answers[id] = data;
    if (eventName === 'onFormSubmitted') lead(id, (data && data.submissionValues) || answers[id]);
  };

  kit.owns('form.hs-form[data-form-id], .hs-form-html form');
  // The script in the page tells the page itself; a form in a frame of HubSpot's tells it from there.
  kit.listen(window, 'message', ({ origin, data }) => origin === location.origin && told(data));
  kit.messages(['hsforms.com', 'hsforms.net', 'hubspot.com'], told);
  kit.listen(window, 'hs-form-event:on-submission:success', (event) => {
    const form = window.HubSpotFormsV4.getFormFromEvent(event);
    form.getFormFieldValues().then((values) => lead(form.getFormId(), values)).catch(() => {});
  });
}
