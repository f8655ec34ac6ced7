e=>{e.when(()=>window.Intercom,t=>t("onUserEmailSupplied",()=>e.when(()=>t,()=>e.chat({provider:"intercom",id:window.Intercom("getVisitorId")}))))}
