"""Tests of what the reader of a file requests and keeps."""

import itertools
import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_extensions.fasts3.api.files import LOOK_AHEAD
from metaflow_extensions.fasts3.plans.pieces import Piece
from metaflow_extensions.fasts3.plans.read_window import (
    BUFFER,
    GROWTH,
    GROWTH_FROM_START,
    IN_A_ROW,
    KEPT,
    LEAST_PIECE,
    SIDE_BY_SIDE,
    TAIL,
    WASTE,
    ReadWindow,
)

MIB = 2**20
SIZE, AHEAD, STEP = 500 * MIB, 32 * MIB, 8 * MIB


def window(size=SIZE, look_ahead=AHEAD, step=STEP):
    return ReadWindow(size, look_ahead, step)


def read(reads, position, length, size=SIZE):
    """Read as a file does, with an immediate response to every request; return the requested pieces."""
    requested = []
    end = min(size, position + length)
    reads.begin(position, end)
    while position < end:
        wanted = reads.request(position)
        for piece in wanted:
            reads.arrived(piece)
        requested += wanted
        position = min(end, reads.at(position).end)
    requested += (more := reads.request(position))
    for piece in more:
        reads.arrived(piece)
    return requested


def total(requested):
    return sum(piece.length for piece in requested)


def test_a_random_read_requests_what_it_needs_and_a_buffer():
    reads = window()
    assert read(reads, 100 * MIB, 10) == [Piece(100 * MIB, 10 + BUFFER)]
    assert read(reads, 7 * MIB, BUFFER) == [Piece(7 * MIB, 2 * BUFFER)]
    assert read(reads, 7 * MIB + 5, 10) == []  # it is here


def test_a_large_read_is_divided():
    requested = read(window(), 100 * MIB, 8 * MIB)
    assert total(requested) == 8 * MIB + BUFFER
    assert len(requested) == 8
    assert requested[0].first == 100 * MIB


@pytest.mark.parametrize("length", [8 * MIB - 1, 8 * MIB + 1, 8 * MIB + 4321, 3 * MIB + 1, 2 * MIB - 1, MIB + 10])
def test_a_divided_read_needs_no_request_for_a_short_rest(length):
    requested = read(window(), 100 * MIB, length)
    assert total(requested) == length + BUFFER
    assert len(requested) == min(8, max(1, (length + BUFFER) // MIB))
    assert min(piece.length for piece in requested) >= MIB - len(requested)


def test_random_reads_request_nothing_ahead():
    reads, chance = window(), random.Random(1)
    for _ in range(50):
        position = chance.randrange(SIZE - MIB)
        assert total(read(reads, position, 4096)) <= 4096 + BUFFER


def test_two_reads_of_buffers_are_not_sequential_yet():
    # io.BufferedReader makes them of a single read.
    reads = window()
    assert total(read(reads, 100 * MIB, MIB)) == MIB + BUFFER
    assert read(reads, 101 * MIB, BUFFER) == []


def test_sequential_reads_are_read_ahead_more_and_more():
    reads = window()
    reached, ahead = 0, []
    for number in range(2000):
        requested = read(reads, number * BUFFER, BUFFER)
        reached = max([reached, *(piece.first + piece.length for piece in requested)])
        ahead.append(reached - (number + 1) * BUFFER)
    assert ahead[IN_A_ROW - 2] <= BUFFER
    assert ahead[20] > MIB
    assert AHEAD - STEP <= ahead[-1] <= AHEAD
    assert max(ahead) <= AHEAD


def test_pieces_ahead_are_large():
    reads = window()
    for number in range(1000):
        requested = read(reads, number * BUFFER, BUFFER)
        if number > 100:
            assert all(piece.length >= LEAST_PIECE for piece in requested)


def test_the_second_read_at_the_beginning_is_sequential():
    reads = window()
    assert total(read(reads, 0, BUFFER)) == 2 * BUFFER
    assert total(read(reads, BUFFER, 4 * BUFFER)) > MIB


def test_a_read_of_several_buffers_at_the_beginning_is_sequential():
    assert total(read(window(), 0, LEAST_PIECE)) == (1 + GROWTH_FROM_START) * LEAST_PIECE


def test_a_very_large_read_at_the_beginning_requests_nothing_ahead():
    reads = window()
    assert total(read(reads, 0, 4 * MIB)) == 4 * MIB + BUFFER
    assert total(read(reads, 4 * MIB, 4 * MIB)) > 20 * MIB


def test_reads_from_the_beginning_are_read_ahead_more():
    ahead = []
    for start in (0, 100 * MIB):
        reads = window()
        requested = [total(read(reads, start + number * MIB, MIB)) for number in range(3)]
        ahead.append(round(sum(requested) / (3 * MIB)) - 1)  # rounded: pieces are whole
    assert ahead == [GROWTH_FROM_START, GROWTH]


def test_an_interrupted_request_is_repeated(monkeypatch):
    for number in range(1, 25):
        reads, allocate, calls = window(look_ahead=LOOK_AHEAD), ReadWindow._new_memory, itertools.count()

        def interrupted(self, length, number=number, allocate=allocate, calls=calls):
            if next(calls) == number:
                raise MemoryError
            return allocate(self, length)

        monkeypatch.setattr(ReadWindow, "_new_memory", interrupted)
        last = 0
        with suppress(MemoryError):
            while True:
                read(reads, last * MIB, MIB)
                last += 1
        monkeypatch.undo()
        for start in (max(0, last - 1) * MIB, last * MIB, 0):
            reads.begin(start, start + 1)
            requested = reads.request(start)
            if not requested and not reads.at(start).is_here:  # `request` was interrupted before it returned the piece
                reads.forget(reads.at(start).piece)
                requested = reads.request(start)
            for piece in requested:
                reads.arrived(piece)
            assert reads.at(start).is_here


def test_pieces_ahead_end_at_multiples_of_their_size():
    reads, block, size = window(), 3 * BUFFER + 17, AHEAD // SIDE_BY_SIDE
    requested = [piece for start in range(123, 2 * AHEAD, block) for piece in read(reads, start, block)]
    assert {piece.first % LEAST_PIECE for piece in requested[10:]} == {0}
    assert {piece.first % size for piece in requested[-10:]} == {0}
    assert {piece.length for piece in requested[-10:]} == {size}


@pytest.mark.parametrize(("look_ahead", "expected"), [(LOOK_AHEAD, 8), (32 * MIB, 4), (20 * MIB, 2)])
def test_a_full_window_is_read_in_few_large_pieces(look_ahead, expected):
    reads = window(look_ahead=look_ahead)
    requested = [piece for start in range(0, 200 * MIB, MIB) for piece in read(reads, start, MIB)]
    assert {piece.length for piece in requested[-3:]} == {expected * MIB}


def test_a_jump_ends_the_reading_ahead():
    reads = window()
    for number in range(200):
        read(reads, number * BUFFER, BUFFER)
    assert total(read(reads, 300 * MIB, 10)) == 10 + BUFFER


def test_pieces_ahead_are_not_needed_after_a_jump():
    reads = window()
    for number in range(200):
        read(reads, number * BUFFER, BUFFER)
    ahead = Piece(200 * BUFFER + MIB, MIB)
    assert reads.needs(ahead)
    reads.begin(300 * MIB, 300 * MIB + 10)
    assert not reads.needs(ahead)
    assert reads.needs(Piece(300 * MIB, BUFFER))


def test_the_end_is_requested_as_a_whole():
    reads = window()
    assert read(reads, SIZE - 8, 8) == [Piece(SIZE - TAIL, TAIL)]
    assert read(reads, SIZE - 60_000, 60_000) == []
    beginning = read(window(1000), 10, 10, 1000)
    assert beginning == [Piece(0, 1000)]


def test_bytes_before_others_that_are_here_are_read_ahead():
    size = 8 * MIB + 10
    reads = window(size)
    read(reads, size - 8, 8, size)  # as readers of Parquet and ZIP do
    requested = [piece for start in range(0, 4 * MIB, BUFFER) for piece in read(reads, start, BUFFER, size)]
    assert max(piece.first + piece.length for piece in requested) == size - TAIL


def test_memory_is_used_again():
    reads = window()
    for number in range(2000):
        read(reads, number * BUFFER, BUFFER)
    before = {id(one) for one in (*reads._spare, *(held.memory for held in reads._held.values()))}
    for number in range(2000, 4000):
        read(reads, number * BUFFER, BUFFER)
    after = {id(one) for one in (*reads._spare, *(held.memory for held in reads._held.values()))}
    assert after == before


def test_running_requests_count_after_a_jump():
    reads, size = window(), 8 * MIB
    for number in range(3):  # nothing arrives
        reads.begin(number * size, (number + 1) * size)
        reads.request(number * size)
    assert AHEAD < reads.memory <= AHEAD + KEPT
    for number in range(10):
        start = 300 * MIB + number * BUFFER
        reads.begin(start, start + BUFFER)
        reads.request(start)
    assert reads.memory <= AHEAD + KEPT + 12 * BUFFER


def test_memory_that_a_request_may_still_write_to_is_not_used_again():
    reads = window()
    reads.begin(MIB, MIB + 10)
    [piece] = reads.request(MIB)
    memory = reads.memory_of(piece).obj
    reads.forget(piece)
    assert reads.request(MIB) == [piece]
    assert reads.memory_of(piece).obj is not memory


def test_a_directory_that_is_read_again_and_again_stays():
    reads, chance = window(), random.Random(2)
    read(reads, 0, 1000)
    for _ in range(100):
        assert read(reads, 0, 1000) == []
        read(reads, chance.randrange(MIB, SIZE - MIB), 30_000)


def test_lost_pieces_are_requested_again():
    reads = window()
    reads.begin(MIB, MIB + 10)
    [piece] = reads.request(MIB)
    assert reads.request(MIB) == []
    reads.forget(piece)
    assert reads.request(MIB) == [piece]
    reads.arrived(piece)
    reads.forget(piece)  # it is here
    assert reads.request(MIB) == []


def test_unexpected_bytes_are_ignored():
    reads = window()
    reads.arrived(Piece(0, 10))
    assert reads.at(0) is None
    assert reads.memory == 0


@given(
    size=st.integers(1, 40 * MIB),
    look_ahead=st.sampled_from([MIB, 3 * MIB, 32 * MIB]),
    reads=st.lists(
        st.tuples(st.integers(0, 40 * MIB), st.sampled_from([1, 5000, BUFFER, MIB, 9 * MIB]), st.booleans())
    ),
)
def test_any_reads_find_their_bytes_once_and_within_the_memory(size, look_ahead, reads):
    made, position = window(size, look_ahead), 0
    for jump, length, sequential in reads:
        position = (position if sequential else jump) % size
        end = min(size, position + length)
        made.begin(position, end)
        while position < end:
            for piece in made.request(position):
                assert 0 <= piece.first < piece.first + piece.length <= size
                made.arrived(piece)
            held = made.at(position)
            assert held is not None
            assert held.piece.first <= position < held.end
            limit = look_ahead + KEPT + MIB + 2 * BUFFER + TAIL
            assert made.memory <= limit + limit // WASTE
            assert made.memory == sum(len(one.memory) for one in made._held.values()) + sum(map(len, made._spare))
            position = min(end, held.end)
        pieces = sorted((one.piece for one in made._held.values()), key=lambda piece: piece.first)
        for one, following in zip(pieces, pieces[1:]):
            assert one.first + one.length <= following.first
