// Intercom: https://developers.intercom.com/installing-intercom/web/methods
(kit) => {
  // It says that an address was given, and not which.
  kit.when(() => window.Intercom, (intercom) => intercom('onUserEmailSupplied',
    kit.safely(() => kit.chat({ provider: 'intercom', id: window.Intercom('getVisitorId') }))));
}
