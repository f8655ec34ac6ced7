e=>{e.when(()=>window.Intercom,t=>t("onUserEmailSupplied",e.safely(()=>e.chat({provider:"intercom",id:window.Intercom("getVisitorId")}))))}
