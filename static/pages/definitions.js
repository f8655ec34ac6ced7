// The rule builder without a new page for each button: the form is sent, and what comes back takes its place.
"use strict";

(() => {
  const quick = /^(add|remove|drop|rule|each|while)\b/;
  document.addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    if (!form.matches(".definition-form") || !submitter || !quick.test(submitter.value)) return;
    event.preventDefault();
    const deed = submitter.value;
    const body = new URLSearchParams(new FormData(form));
    body.append("do", deed);
    const plainly = () => {
      const sent = document.createElement("input");
      Object.assign(sent, { type: "hidden", name: "do", value: deed });
      form.append(sent);
      form.action = submitter.formAction;
      form.submit();
    };
    const before = new Set([...form.querySelectorAll("[id]")].map((one) => one.id));
    fetch(submitter.formAction, { method: "POST", body, credentials: "same-origin" })
      .then((answer) => (answer.ok || answer.status === 422 ? answer.text() : Promise.reject(answer.status)))
      .then((text) => {
        const found = new DOMParser().parseFromString(text, "text/html").querySelector(".definition-form #builder");
        if (!found) throw new Error("no form");
        document.getElementById("builder").replaceWith(found);
        // To what is new; else to where it was.
        const fresh = [...found.querySelectorAll("[id]")].find((one) => !before.has(one.id));
        const [, path] = deed.split(":");
        const near = fresh ?? document.getElementById((path ?? "").replace(/\.\d+$/, "")) ?? found;
        (near.querySelector("input:not([type=hidden]), select, button") ?? near).focus();
      })
      .catch(plainly);
  });
})();
