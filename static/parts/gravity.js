// Gravity Forms: https://docs.gravityforms.com/gform_confirmation_loaded/ and https://docs.gravityforms.com/gform-ajax-post_ajax_submission/
(kit) => {
  const sent = {}; // by form and page: what was submitted last, for every page is a form of its own
  const tell = (id, form) => kit.lead({ provider: 'gravity', id: String(id), name: '' }, null, form);
  const confirmed = (id) => Object.keys(sent[id] || {}).reverse().forEach((page) => tell(id, sent[id][page]));

  kit.owns('form[target^="gform_ajax_frame_"]');
  // The answer comes into a hidden frame; then the form makes way for the next page, for itself with what was wrong, or for the
  // confirmation. One that leads to another page comes as a script.
  kit.listen(document, 'load', ({ target }) => {
    const [, id] = /^gform_ajax_frame_(\d+)$/.exec(target.id) || [];
    const form = id && document.getElementById('gform_' + id);
    if (!form) return;
    const { value } = form.querySelector('[name^="gform_source_page_number_"]') || {};
    (sent[id] = sent[id] || {})[value] = form;
    if (/gformRedirect\(\)/.test(target.contentDocument.documentElement.textContent)) confirmed(id);
  }, true);
  kit.when(() => window.jQuery, ($) => $(document).on('gform_confirmation_loaded', kit.safely((_, id) => confirmed(id))));
  // Since 2.9 a form may be posted without a frame.
  kit.when(() => window.gform && window.gform.utils && window.gform.utils.addFilter, (add) => add('gform/ajax/post_ajax_submission', (told) => {
    kit.safely(({ form, submissionResult: { data } }) => {
      if (Object.keys(data).some((name) => /^confirmation_/.test(name) && data[name])) tell(form.getAttribute('data-formid'), form);
    })(told);
    return told;
  }));
}
