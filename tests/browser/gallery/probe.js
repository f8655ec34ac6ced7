// Stands before everything else on each page of the gallery, with and without the snippet, and watches both alike:
// the order of submits, what was thrown or said on the console, what is kept on the device, new names in `window`.
(function () {
  'use strict';
  var stringify = JSON.stringify;
  var parse = JSON.parse;
  var attribute = Element.prototype.getAttribute;
  var cookie = Object.getOwnPropertyDescriptor(Document.prototype, 'cookie').get;
  var later = setTimeout;
  var stores = ['sessionStorage', 'localStorage'].map(function (name) {
    try { return window[name]; } catch (_) { return null; }
  });
  var first = null;
  try { first = top.gallery; } catch (_) { /* a frame of another origin watches for itself */ }
  var log = [];
  var told = null;
  // The tab's name outlives the page, needs no storage, and a redirected visitor keeps it.
  try { told = parse(window.name); } catch (_) { told = null; }
  if (top === self && told && told.host === location.host) log = told.log;

  function say(what) {
    if (first && first.say !== say) { first.say(what); return; }
    log.push(what);
    if (top === self) window.name = stringify({ host: location.host, log: log });
  }

  function names(form) { return attribute.call(form, 'id') || attribute.call(form, 'action') || 'a form'; }

  var task = 0;
  addEventListener('submit', function (event) {
    var mine = task += 1;
    say('submit of ' + names(event.target));
    later(function () { if (task === mine) task += 1; }, 0);
    addEventListener('formdata', function (data) {
      say('its fields are read ' + (task === mine ? 'at once' : 'later') + ': ' + Array.from(data.formData.keys()).join(' '));
    }, { capture: true, once: true });
  }, true);

  addEventListener('error', function (event) { if (event.message) say('thrown: ' + event.message); });
  addEventListener('unhandledrejection', function (event) { say('thrown: ' + event.reason); });
  addEventListener('securitypolicyviolation', function (event) { say('thrown: policy ' + event.violatedDirective); });
  ['error', 'warn'].forEach(function (level) {
    var original = console[level];
    console[level] = function () {
      say('thrown: console.' + level + ' ' + Array.from(arguments).join(' '));
      return original.apply(this, arguments);
    };
  });

  Object.defineProperty(window, 'gallery', {
    value: {
      say: say,
      log: function () { return stringify(log); },
      names: function () { return Object.keys(window).join(' '); },
      kept: function () {
        var kept = {};
        try {
          cookie.call(document).split('; ').forEach(function (each) {
            if (each) kept['cookie ' + each.split('=')[0]] = each.split('=').slice(1).join('=');
          });
        } catch (_) { /* a frame without cookies */ }
        stores.forEach(function (store, nth) {
          if (!store) return;
          for (var i = 0; i < store.length; i += 1) {
            kept[(nth ? 'local ' : 'session ') + store.key(i)] = Storage.prototype.getItem.call(store, store.key(i));
          }
        });
        return stringify(kept);
      },
    },
  });
})();
