e=>{e.when(()=>window.HubSpotConversations,t=>t.on("conversationStarted",t=>e.when(()=>t,({conversation:{conversationId:t}})=>e.chat({provider:"hubspot",id:t}))))}
