// The visitor's name and company, where the site allows it: docs/snippet.md#forms
(kit) => {
  const COMPANY = /compan|organi[sz]ation|会社|貴社|御社|法人|企業/i;
  const NAME = /(^|[^a-z])((full|your|first|last|given|family|sur)[-_ ]?)?name([^a-z]|$)|氏名|名前|(^|\s)[姓名]($|[\s（(])/i;
  const OTHER = /user|log.?in|nick|file|card|cc-|kana|カナ|かな|ガナ|がな/i;
  const allowed = String(kit.settings.fields);

  kit.reads((told, words, value) => {
    if (OTHER.test(words) || /[@\d]{3}/.test(value)) return;
    if (COMPANY.test(words)) {
      if (/company/.test(allowed)) told.company = told.company || value;
    } else if (/name/.test(allowed) && NAME.test(words)) {
      told.name = told.name ? told.name + ' ' + value : value;
    }
  });
}
