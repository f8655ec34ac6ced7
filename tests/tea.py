"""A deal that is known to the minute: the one that docs/explain.md does again by hand."""

from datetime import timedelta

from tests.world import START, Program, World

HANA = {"email": "hana@kyoto.example"}


def tea_house(world: World) -> Program:
    """Ad, newsletter with a form, deal, direct visit, a partner's blog, won, refunded. Returns Acme's CRM."""
    crm = world.program(world.token)
    world.walk()
    world.clock.at = START + timedelta(days=4)
    deal = {"name": "Tea house", "amount": "900.00", "currency": "EUR", "contacts": [HANA]}
    assert crm.put("/deals/D-1", deal).status_code == 201
    world.clock.at = START + timedelta(days=5)
    world.browse("hana", world.hit("page", "/prices", title="Prices"))
    world.clock.at = START + timedelta(days=7)
    world.browse("hana", world.hit("page", "/", title="Tea", referrer="https://partner.example/blog"))
    world.clock.at = START + timedelta(days=9)
    assert crm.put("/deals/D-1", {"status": "won"}).status_code == 200
    world.clock.at = START + timedelta(days=19)
    assert crm.put("/deals/D-1", {"refunded": "90.00"}).status_code == 200
    world.fold()
    return crm
