// WPForms: https://wpforms.com/developers/how-to-open-a-new-link-on-form-submission/
(kit) => {
  // A form that is posted without AJAX is a form like any: the core counts it.
  kit.owns('form.wpforms-ajax-form');
  kit.when(() => window.jQuery, ($) => $(document).on('wpformsAjaxSubmitSuccess', kit.safely(({ target }) =>
    kit.lead({ provider: 'wpforms', id: target.getAttribute('data-formid') || '', name: '' }, null, target))));
}
