"""Each call counts once, however many instrumentations saw it and whoever repeats its usage."""

from __future__ import annotations

from summarise_spans import chat, counted, llm, named, price, span, uncounted, update_of

from collector.model import Usage


def test_calls_side_by_side_count_each() -> None:
    update = update_of(
        span(0, kind="agent", lasts=9), llm(1, 0, at=1), llm(2, 0, at=3), llm(3, 0, at=5, kind="embedding")
    )
    assert counted(update) == [1, 2, 3]
    assert update.uncounted == {}
    assert update.summary.llm_calls == 2
    assert update.summary.usage == Usage(30, 15, 45)


def test_an_agent_that_repeats_its_childrens_usage_is_not_counted() -> None:
    update = update_of(
        llm(0, kind="agent", tokens=(30, 15), lasts=9), span(1, 0, kind="task"), llm(2, 1, (10, 5)), llm(3, 1, (20, 10))
    )
    assert uncounted(update) == {0: None}
    assert update.summary.usage == Usage(30, 15, 45)


def test_an_agents_usage_counts_where_nothing_beneath_has_any() -> None:
    update = update_of(
        llm(0, kind="agent", tokens=(60, 30)),
        llm(1, 0, kind="chain", tokens=(60, 30)),
        llm(2, 1, None),
        llm(3, 1, None),
    )
    assert uncounted(update) == {0: None}
    assert counted(update) == [1, 2, 3]
    assert update.summary.usage == Usage(60, 30, 90)
    assert update.summary.llm_calls == 2


def test_an_agents_generation_is_not_hidden_by_an_embedding_beneath() -> None:
    update = update_of(llm(0, kind="agent", tokens=(60, 30)), llm(1, 0, (7, None), kind="embedding"), llm(2, 0, None))
    assert update.uncounted == {}
    assert update.summary.usage is not None
    assert update.summary.usage.output_tokens == 30


def test_an_outer_embedding_sum_is_not_counted() -> None:
    update = update_of(
        llm(0, kind="chain", tokens=(14, None)),
        llm(1, 0, (7, None), kind="embedding"),
        llm(2, 0, (7, None), kind="embedding"),
    )
    assert uncounted(update) == {0: None}


def test_two_instrumentations_one_in_the_other() -> None:
    """The provider's SDK emits a bare span under the wrapper's, which has the messages."""
    update = update_of(llm(0, lasts=2), llm(1, 0, lasts=1), contents={0: chat("why", "because")})
    assert uncounted(update) == {1: named(0)}
    assert update.summary.usage == Usage(10, 5, 15)


def test_of_equal_sights_the_inner_one_leads() -> None:
    update = update_of(llm(0, lasts=2), llm(1, 0, lasts=1))
    assert uncounted(update) == {0: named(1)}


def test_the_sight_with_usage_leads() -> None:
    """LlamaIndex: ``predict`` around ``chat``; a proxy's client around the call."""
    assert uncounted(update_of(llm(0, None, None), llm(1, 0))) == {0: named(1)}
    assert uncounted(update_of(llm(0), llm(1, 0, None))) == {1: named(0)}
    plain = llm(0, None, None, kind="embedding"), llm(1, 0, None, kind="embedding")
    assert uncounted(update_of(*plain)) == {0: named(1)}


def test_the_sight_with_a_price_leads() -> None:
    update = update_of(llm(0, cost=price(7)), llm(1, 0, cost=price(None)), contents={1: chat("q", "a")})
    assert uncounted(update) == {1: named(0)}
    assert (update.summary.cost.total, update.summary.unpriced_calls) == (7, 0)  # type: ignore[union-attr]


def test_plain_spans_between_two_sights_do_not_matter_but_agents_and_tools_do() -> None:
    assert uncounted(update_of(llm(0), span(1, 0, kind="task"), span(2, 1, kind="chain"), llm(3, 2))) == {0: named(3)}
    assert uncounted(update_of(llm(0), span(1, 0, kind="tool"), llm(2, 1))) == {}
    assert uncounted(update_of(llm(0), span(1, 0, kind="agent"), llm(2, 1))) == {}


def test_three_sights_of_one_call() -> None:
    assert uncounted(update_of(llm(0, None, None), llm(1, 0), llm(2, 1))) == {0: named(2), 1: named(2)}


def test_different_usage_is_a_different_call() -> None:
    assert counted(update_of(llm(0, None, (10, 5)), llm(1, 0, (10, 6)))) == [0, 1]
    assert counted(update_of(llm(0, None, (10, 5)), llm(1, 0, (3, 5)))) == [0, 1]
    assert counted(update_of(llm(0, None, (10, 5)), llm(1, 0, (10, 5), kind="embedding"))) == [0, 1]


def test_one_that_leaves_cached_input_out_is_the_same_call() -> None:
    update = update_of(
        llm(0, usage=Usage(21, 11, 32, cache_read_tokens=0)),
        llm(1, 0, usage=Usage(1271, 11, 1282, cache_read_tokens=1250)),
    )
    assert uncounted(update) == {0: named(1)}


def test_a_call_around_several_is_their_sum() -> None:
    inner = [llm(1, 0, (10, 5), at=1), llm(2, 0, (20, 10), at=2)]
    assert uncounted(update_of(llm(0, None, (30, 15), lasts=9), *inner)) == {0: None}
    assert uncounted(update_of(llm(0, None, None, lasts=9), *inner)) == {0: None}
    assert uncounted(update_of(llm(0, None, (20, 10), lasts=9), *inner)) == {0: named(2)}
    assert uncounted(update_of(llm(0, None, (31, 15), lasts=9), *inner)) == {}


def test_a_call_around_attempts_is_the_one_that_succeeded() -> None:
    update = update_of(
        llm(0, None, None, status="ok", lasts=9), llm(1, 0, None, status="error", at=1), llm(2, 0, (20, 10), at=2)
    )
    assert uncounted(update) == {0: named(2)}
    assert counted(update) == [1, 2]


def test_a_response_id_seen_twice_is_one_call() -> None:
    update = update_of(llm(0, at=0, lasts=2, response_id="r1"), llm(1, at=0.1, lasts=1, response_id="r1"))
    assert len(update.calls) == 1
    streamed = update_of(llm(0, None, None, lasts=0.1, response_id="r"), llm(1, at=3, lasts=0, response_id="r"))
    assert uncounted(streamed) == {0: named(1)}
    assert counted(update_of(llm(0, response_id="a"), llm(1, response_id="b"))) == [0, 1]


def test_a_stand_in_that_repeats_its_response_ids_still_makes_calls() -> None:
    update = update_of(
        llm(0, None, (10, 5), at=0, response_id="x"),
        llm(1, None, (20, 5), at=2, response_id="x"),
        llm(2, 1, (20, 5), at=2, response_id="x"),
    )
    assert uncounted(update) == {1: named(2)}
    assert counted(update) == [0, 2]


def test_a_plain_span_inside_a_call_repeats_its_usage() -> None:
    """litellm: ``raw_gen_ai_request`` under ``litellm_request``."""
    update = update_of(llm(0), llm(1, 0, kind="task"))
    assert uncounted(update) == {1: named(0)}
    stacked = update_of(llm(0, None, None), llm(1, 0), llm(2, 1, kind="task"))
    assert uncounted(stacked) == {0: named(1), 2: named(1)}


def test_a_cost_without_tokens_counts_by_the_same_rule() -> None:
    update = update_of(span(0, kind="agent", cost=price(9, "reported")), llm(1, 0, cost=price(9)))
    assert uncounted(update) == {0: None}
    alone = update_of(span(0, kind="tool", cost=price(9, "reported")))
    assert counted(alone) == [0]
    assert alone.summary.cost == price(9, "reported")


def test_what_was_marked_before_has_no_influence() -> None:
    before = [llm(0, counted=False, duplicate_of="x"), llm(1, at=5, counted=False)]
    assert update_of(*before).uncounted == {}


def test_wrappers_of_a_call_of_another_kind_name_none_of_each_other() -> None:
    """Two silent sights of one wrapper around an embedding: the embedding is the call, and neither wrapper is."""
    update = update_of(llm(0, None, None, lasts=3), llm(1, 0, None, lasts=2), llm(2, 1, (7, None), kind="embedding"))
    assert uncounted(update) == {0: None, 1: None}
    assert counted(update) == [2]
