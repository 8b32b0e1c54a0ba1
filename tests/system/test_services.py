"""The services that other tests kill lose nothing by it."""

import pytest

pytestmark = pytest.mark.system


def test_a_killed_database_comes_back_with_what_it_held(postgres):
    psycopg = pytest.importorskip("psycopg")
    address = postgres.create("kept").replace("+psycopg", "")
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")

    postgres.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(address)
    postgres.start()

    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_a_killed_object_store_comes_back_with_what_it_held(object_store):
    object_store.create("kept")
    object_store.client().put_object(Bucket="kept", Key="it", Body=b"seven")

    object_store.kill()
    object_store.start()

    assert object_store.client().get_object(Bucket="kept", Key="it")["Body"].read() == b"seven"
