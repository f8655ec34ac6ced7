// Contact Form 7: https://contactform7.com/dom-events/ and https://contactform7.com/2023/12/17/form-status/
(kit) => {
  kit.owns('form.wpcf7-form');
  // "mail_failed" is a lead too: the form was in order, WordPress could not send its mail.
  kit.listen(document, 'wpcf7submit', ({ target, detail: { status, contactFormId } }) => {
    const form = target.querySelector('form') || target; // up to 5.4 the event is that of the box around the form
    if (/^mail_(sent|failed)$/.test(status)) kit.lead({ provider: 'cf7', id: String(contactFormId), name: '' }, null, form);
  });
}
