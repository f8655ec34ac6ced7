// IAB TCF v2.2: https://github.com/InteractiveAdvertisingBureau/GDPR-Transparency-and-Consent-Framework/blob/master/TCFv2/IAB%20Tech%20Lab%20-%20CMP%20API%20v2.md
(kit) => {
  // 1: keep something on the device; 7: measure how advertising performs; 8: measure how content performs.
  const NEEDED = [1, 7, 8];
  kit.when(() => window.__tcfapi, (tcf) => tcf('addEventListener', 2, kit.safely((told, success) => {
    if (!success) return;
    // While the banner stands (cmpuishown), nobody has answered.
    if (told.gdprApplies === false) kit.consent(true);
    else if (/^(tcloaded|useractioncomplete)$/.test(told.eventStatus)) kit.consent(NEEDED.every((purpose) => told.purpose.consents[purpose]));
  })));
}
