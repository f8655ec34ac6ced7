// Marketo forms: https://experienceleague.adobe.com/en/docs/marketo-developer/marketo/javascriptapi/forms-api-reference
(kit) => {
  kit.owns('form.mktoForm');
  kit.when(() => window.MktoForms2, (marketo) => marketo.whenReady((form) => form.onSuccess(kit.safely((values) => {
    // What this gives back decides whether the visitor is led on: nothing, so Marketo does what it would have done.
    const fields = Object.keys(values).map((name) => ({ name, value: values[name] }));
    kit.lead({ provider: 'marketo', id: String(form.getId()), name: '' }, fields, null);
  }))));
}
