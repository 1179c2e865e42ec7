"""The first start, and every other one."""

from sqlalchemy import func, select

from intellyhub_control_plane.first_start import make_first
from intellyhub_control_plane.models.flows import Flow
from intellyhub_control_plane.models.people import Tenant, User
from tests.unit.control_plane.engines import both_databases
from tests.unit.control_plane.house import House


@both_databases
def test_the_first_start_makes_an_administrator_with_the_examples_once(house):
    administrator = make_first(house.platform)
    assert administrator is not None
    assert make_first(house.platform) is None
    assert administrator.password not in repr(administrator)
    answer = house.call(
        None, "POST", "/api/auth/login", {"email": "admin@localhost", "password": administrator.password}
    )
    me = answer.json["user"]
    assert (me["platform_admin"], me["tenant"]["slug"], me["tenant"]["role"]) == (True, "main", "owner")
    with house.database.transaction(writing=False) as session:
        tenant = session.scalars(select(Tenant)).one()
        slugs = session.scalars(Flow.of(tenant).with_only_columns(Flow.slug).order_by(Flow.slug)).all()
        kept = session.scalars(select(User.password_hash)).one()
    assert slugs == ["diary", "hello", "refund"]
    assert administrator.password not in kept


def test_a_given_password_is_used_and_not_told(layout, database_url):
    house = House(layout, database_url, admin_email="root@hub.test", admin_password="given by hand")
    assert make_first(house.platform) is None
    answer = house.call(None, "POST", "/api/auth/login", {"email": "ROOT@hub.test", "password": "given by hand"})
    assert answer.status_code == 200
    house.close()


def test_examples_that_were_deleted_do_not_come_back(house):
    make_first(house.platform)
    with house.database.transaction() as session:
        for flow in session.scalars(Flow.of(session.scalars(select(Tenant)).one())):
            session.delete(flow)
    make_first(house.platform)
    with house.database.transaction(writing=False) as session:
        assert session.scalar(select(func.count()).select_from(Flow)) == 0
