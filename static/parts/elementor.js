// Elementor forms: https://elementor.com/help/form-faq/
(kit) => {
  kit.owns('form.elementor-form');
  kit.when(() => window.jQuery, ($) => $(document).on('submit_success', ({ target }) => kit.when(() => target, () => {
    if (!target.matches('form.elementor-form')) return;
    const { value } = target.querySelector('[name=form_id]') || {};
    kit.lead({ provider: 'elementor', id: value || '', name: target.getAttribute('name') || '' }, null, target);
  })));
}
