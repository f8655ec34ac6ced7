e=>{const t={};e.messages(["typeform.com"],({type:n,formId:s,responseId:o})=>{if(n!=="form-submit"||t[o])return;t[o]=1,e.event("form submitted",{provider:"typeform",form:s,response:o})})}
