"""A span's parent is the span of the code that called it, however calls, generators, tasks and threads interleave.

A program is a tree of nodes, each a traced function of some kind that calls its children; so the tree itself says who
must be whose parent. What a node calls is done in a drawn order, steps of its generators in between.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import tracekit
from tracekit import trace

SYNCHRONOUS = ("call", "block", "generator", "thread", "pool")
KINDS = (*SYNCHRONOUS, "coroutine", "asynchronous block", "asynchronous generator", "task", "to_thread")
WORKERS = 32


@dataclass
class Node:
    kind: str
    children: list[Node]
    #: how many of a generator's values are read; it is then dropped or closed
    reads: int
    closes: bool
    #: whether a generator's steps are done in other threads or tasks
    elsewhere: bool
    #: whether a generator does it all, its yields too, in a block
    in_block: bool
    name: str = ""


@dataclass
class Program:
    seed: int
    pool: ThreadPoolExecutor
    ran: list[str] = field(default_factory=list)

    def order(self, node: Node, actions: list[Any]) -> list[Any]:
        random.Random(f"{self.seed} {node.name}").shuffle(actions)
        return actions


def nodes(kinds: tuple[str, ...], depth: int) -> st.SearchStrategy[Node]:
    def of_kind(kind: str) -> st.SearchStrategy[Node]:
        inside = KINDS if kind in KINDS[5:] and kind != "to_thread" else SYNCHRONOUS
        children = st.lists(nodes(inside, depth - 1), min_size=depth, max_size=3) if depth else st.just([])
        return st.builds(Node, st.just(kind), children, st.integers(0, 4), *[st.booleans()] * 3)

    return st.sampled_from(kinds).flatmap(of_kind)


def model(node: Node, parent: str | None, found: dict[str, str | None]) -> dict[str, str | None]:
    """The parent of every span that may come."""
    found[node.name], inside = parent, node.name
    if node.kind.endswith("generator"):
        found[node.name + " last"] = node.name
        found |= {f"{node.name} read {number}": parent for number in range(node.reads + 1)}
        if node.in_block:
            inside = node.name + " block"
            found[inside] = node.name
    for number, child in enumerate(node.children):
        child.name = f"{node.name}.{number}"
        model(child, inside, found)
    return found


def block(program: Program, node: Node, name: str) -> Any:
    program.ran.append(f"{node.name} {name}")
    return trace.span(f"{node.name} {name}")


# --- what is run -----------------------------------------------------------------------------------------------------
def work(program: Program, node: Node) -> None:
    """A synchronous node's own code: calls its children, in an order of its own."""
    program.ran.append(node.name)
    waits: list[Any] = []
    for _ in steps(program, node, waits):
        pass
    finish(waits)


def steps(program: Program, node: Node, waits: list[Any]) -> Iterator[None]:
    actions: list[Any] = []
    for child in node.children:
        if child.kind == "generator":
            actions += reading(program, child, traced_generator(child)(program, child))
        elif child.kind in SYNCHRONOUS:
            actions.append(lambda child=child: waits.append(start(program, child)))
    for action in program.order(node, actions):
        action()
        yield


def finish(waits: list[Any]) -> None:
    for started in waits:
        if isinstance(started, threading.Thread):
            started.join()
        elif isinstance(started, Future):
            started.result()


def start(program: Program, node: Node) -> Any:
    if node.kind == "block":
        with trace.span(node.name):
            return work(program, node)
    function = trace(name=node.name)(work)
    if node.kind == "thread":
        thread = threading.Thread(target=function, args=(program, node))
        thread.start()
        return thread
    if node.kind == "pool":
        return program.pool.submit(function, program, node)
    return function(program, node)


def traced_generator(node: Node) -> Any:
    @trace(name=node.name)
    def generator(program: Program, node: Node) -> Iterator[int]:
        program.ran.append(node.name)
        waits: list[Any] = []
        try:
            with block(program, node, "block") if node.in_block else nullcontext():
                for _ in steps(program, node, waits):
                    yield 1
            with block(program, node, "last"):
                pass
        finally:
            finish(waits)

    return generator


def reading(program: Program, node: Node, generator: Any) -> list[Any]:
    """The consumer's actions, each in a block of its own: reads, whatever else is done in between, and an end."""
    held = [generator]
    reads = itertools.count()

    def read() -> None:
        number = next(reads)
        with block(program, node, f"read {number}"):
            if number < node.reads:
                elsewhere(next, held[0], None) if node.elsewhere else next(held[0], None)
            elif node.closes:
                held.pop().close()
            else:
                held.clear()

    return [read] * (node.reads + 1)


def elsewhere(function: Any, *args: Any) -> None:
    thread = threading.Thread(target=function, args=args)
    thread.start()
    thread.join()


async def awork(program: Program, node: Node) -> None:
    program.ran.append(node.name)
    tasks: list[asyncio.Task[None]] = []
    waits: list[Any] = []
    for action in actions_of(program, node, tasks, waits):
        await action()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    await asyncio.to_thread(finish, waits)


def actions_of(program: Program, node: Node, tasks: list[Any], waits: list[Any]) -> list[Any]:
    async def one(child: Node) -> None:
        if child.kind == "asynchronous block":
            async with trace.span(child.name):
                return await awork(program, child)
        elif child.kind == "coroutine":
            await trace(name=child.name)(awork)(program, child)
        elif child.kind == "task":
            tasks.append(asyncio.create_task(trace(name=child.name)(awork)(program, child)))
        elif child.kind == "to_thread":
            await asyncio.to_thread(trace(name=child.name)(work), program, child)
        else:
            waits.append(start(program, child))

    async def done(action: Any) -> None:
        action()

    actions: list[Any] = []
    for child in node.children:
        if child.kind == "asynchronous generator":
            actions += areading(program, child, traced_agenerator(child)(program, child))
        elif child.kind == "generator":
            generator = traced_generator(child)(program, child)
            actions += [lambda read=read: done(read) for read in reading(program, child, generator)]
        else:
            actions.append(lambda child=child: one(child))
    return program.order(node, actions)


def traced_agenerator(node: Node) -> Any:
    @trace(name=node.name)
    async def generator(program: Program, node: Node) -> AsyncIterator[int]:
        program.ran.append(node.name)
        tasks: list[asyncio.Task[None]] = []
        waits: list[Any] = []
        with block(program, node, "block") if node.in_block else nullcontext():
            for action in actions_of(program, node, tasks, waits):
                await action()
                yield 1
                await asyncio.sleep(0)
        with block(program, node, "last"):
            await asyncio.gather(*tasks)
            await asyncio.to_thread(finish, waits)

    return generator


def areading(program: Program, node: Node, generator: Any) -> list[Any]:
    held = [generator]
    reads = itertools.count()

    async def read() -> None:
        number = next(reads)
        with block(program, node, f"read {number}"):
            if number < node.reads:
                step = anext(held[0], None)
                await (asyncio.create_task(awaited(step)) if node.elsewhere else step)
            elif node.closes:
                await held.pop().aclose()
            else:
                held.clear()

    return [read] * (node.reads + 1)


async def awaited(step: Any) -> None:
    await step


# --- the law ---------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def memory() -> Iterator[InMemorySpanExporter]:
    found = InMemorySpanExporter()
    tracekit.init(export=False, set_global=False).add_span_processor(SimpleSpanProcessor(found))
    gc.freeze()  # so that collecting garbage costs as little as there is of it
    yield found
    gc.unfreeze()
    found.shutdown()
    tracekit.shutdown(0)


@given(root=nodes(("coroutine",), 3), seed=st.integers(0, 2**16))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_every_parent_is_the_caller(memory: InMemorySpanExporter, root: Node, seed: int) -> None:
    memory.clear()
    root.name = "root"
    expected = model(root, None, {})
    with ThreadPoolExecutor(WORKERS) as pool:
        program = Program(seed, pool)
        asyncio.run(trace(name=root.name)(awork)(program, root))
    gc.collect()
    ended = memory.get_finished_spans()
    names = {span.context.span_id: span.name for span in ended}
    assert sorted(span.name for span in ended) == sorted(program.ran), "one span for each function that ran"
    for span in ended:
        assert (names[span.parent.span_id] if span.parent else None) == expected[span.name], span.name
