"""`run --once` polls and sends once; where that fails, its exit code says so and its words say why."""

from notifier.clock import utc_now
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from tests.acceptance.command import Answer
from tests.acceptance.workplace import OAUTH, Workplace
from tests.fake_receiver import Reply, free_port, receiving


def failure(answer: Answer) -> str:
    """Returns why the only sweep failed, as it was logged."""
    assert answer.code == 1
    assert "Traceback" not in answer.err
    (record,) = answer.logged("poll_failed")
    return str(record["error"])


def test_a_source_that_is_down(workplace: Workplace) -> None:
    """A source that can't be reached is told with the request's correlation id."""
    workplace.configure({"team": "console://"}, base_url=f"http://127.0.0.1:{free_port()}")
    answer = workplace.notifier("run", "--once")
    asked = {record["correlation_id"] for record in answer.logged("request_failed")}
    why = failure(answer)
    assert why.startswith("no connection ([Errno 111] Connection refused) (correlation id ")
    assert any(correlation in why for correlation in asked)
    assert len(asked) == len(answer.logged("request_failed")) > 1
    assert {record["action"] for record in answer.logged()} == {"request_failed", "poll_failed"}


def test_a_source_that_refuses(workplace: Workplace, engage: Simulator) -> None:
    """A token without the scope is told with the scope that it needs and the id that the source saw."""
    engage.scopes = frozenset()
    workplace.configure({"team": "console://"})
    why = failure(workplace.notifier("run", "--once"))
    (request,) = engage.requests
    assert why.startswith("the API answered 403 (INSUFFICIENT_SCOPE: ")
    assert "it needs the scope engage:appointments:readOnly" in why
    assert why.endswith(f"(correlation id {request.correlation_id})")


def test_a_delivery_that_fails(workplace: Workplace, engage: Simulator) -> None:
    """A message that did not arrive makes the run fail, though it will be tried again."""
    made = engage.enterprise.create(utc_now(), Booking(start=utc_now()))
    with receiving(Reply(503)) as receiver:
        workplace.configure({"crm": receiver.url})
        assert workplace.notifier("run", "--once").code == 0
        engage.enterprise.cancel(made, utc_now())
        answer = workplace.notifier("run", "--once")
        assert answer.code == 1
        assert len(receiver.requests) == 1
    (record,) = answer.logged("delivery_retried")
    assert (record["reason"], record["detail"]) == ("unavailable", "HTTP 503 Service Unavailable")


def test_client_credentials(workplace: Workplace, engage: Simulator) -> None:
    """A token that ends in the middle of the day is renewed once, and nobody notices."""
    engage.enterprise.create(utc_now(), Booking(start=utc_now()))
    workplace.configure({"team": "console://"}, credentials=OAUTH)
    daemon = workplace.start_watching()
    engage.expire_tokens()
    workplace.await_poll()
    assert granted(engage) == 1
    ended = daemon.stop()
    assert (ended.code, ended.logged("poll_failed")) == (0, [])
    statuses = [request.status for request in engage.requests if "appointments" in request.path]
    assert statuses.count(401) == 1
    assert statuses.count(200) >= 2


def granted(engage: Simulator) -> int:
    """Returns how many tokens were granted since the record began anew."""
    return sum(request.status == 200 for request in engage.requests if request.path.endswith("/token"))


def test_wrong_client_secret(workplace: Workplace) -> None:
    """A wrong secret is refused with words that say where to look, and without the secret."""
    workplace.environ["ENGAGE_SECRET"] = "wrong-and-secret"
    workplace.configure({"team": "console://"}, credentials=OAUTH)
    answer = workplace.notifier("run", "--once")
    assert failure(answer) == "the token URL answered 401 (invalid_client); check [oauth] of the source"
    assert "wrong-and-secret" not in answer.out + answer.err
