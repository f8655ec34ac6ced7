e=>{e.when(()=>window.HubSpotConversations,t=>t.on("conversationStarted",e.safely(({conversation:{conversationId:t}})=>e.chat({provider:"hubspot",id:t}))))}
