"""The simulated market, without a clock."""

from __future__ import annotations

import pytest

from bennu_demos.ticker.market import BREAK, POINTS, SESSION, TICKS_PER_POINT, Exchange


@pytest.fixture
def exchange() -> Exchange:
    return Exchange(seed=7, count=50)


def symbols(exchange: Exchange) -> set[str]:
    return {company.symbol for company in exchange.companies}


def advance(exchange: Exchange, ticks: int) -> None:
    for _ in range(ticks):
        exchange.advance()


def test_one_seed_gives_one_market() -> None:
    one, same, other = Exchange(7, 50), Exchange(7, 50), Exchange(8, 50)
    for exchange in (one, same, other):
        advance(exchange, 100)
    assert one.companies == same.companies
    assert one.changed_since(symbols(one), 0) == same.changed_since(symbols(same), 0)
    assert one.market == same.market
    assert one.companies != other.companies


def test_each_of_five_thousand_companies_has_a_symbol_and_a_name_of_its_own() -> None:
    companies = Exchange(count=5_000).companies
    assert len({company.symbol for company in companies}) == 5_000
    assert len({company.name for company in companies}) == 5_000
    assert all(len(company.symbol) <= 8 for company in companies)


def test_trades_change_prices_within_the_range_of_the_day(exchange: Exchange) -> None:
    before = {symbol: exchange.snapshot(symbol).quote for symbol in symbols(exchange)}
    advance(exchange, 50)
    changed = exchange.changed_since(symbols(exchange), 0)
    assert changed
    for symbol, quote in changed.items():
        assert 0 < quote.low <= quote.price <= quote.high
        assert quote.volume > before[symbol].volume
        assert quote.previous == before[symbol].previous


def test_changes_are_told_since_a_tick(exchange: Exchange) -> None:
    advance(exchange, 10)
    assert exchange.changed_since(symbols(exchange), exchange.tick) == {}
    exchange.advance()
    changed = exchange.changed_since(symbols(exchange), exchange.tick - 1)
    assert 0 < len(changed) < 50
    some = set(list(changed)[:2])
    assert set(exchange.changed_since(some, exchange.tick - 1)) == some


def test_popular_symbols_are_traded_more_often(exchange: Exchange) -> None:
    popular, rare = exchange.companies[0].symbol, exchange.companies[-1].symbol
    counts = {popular: 0, rare: 0}
    for _ in range(300):
        exchange.advance()
        for symbol in exchange.changed_since({popular, rare}, exchange.tick - 1):
            counts[symbol] += 1
    assert counts[popular] > counts[rare]


def test_a_chart_moves_on_by_a_point(exchange: Exchange) -> None:
    symbol = exchange.companies[0].symbol
    before = exchange.snapshot(symbol).points
    assert len(before) == POINTS
    advance(exchange, TICKS_PER_POINT)
    snapshot = exchange.snapshot(symbol)
    assert snapshot.points == [*before[1:], snapshot.quote.price]


def test_a_session_ends_and_the_next_one_begins_with_new_numbers(exchange: Exchange) -> None:
    symbol = exchange.companies[0].symbol
    advance(exchange, SESSION)
    assert not exchange.market.session.is_open
    closing = exchange.snapshot(symbol).quote
    advance(exchange, BREAK - 1)
    assert exchange.snapshot(symbol).quote == closing

    exchange.advance()
    session = exchange.market.session
    assert (session.is_open, session.day) == (True, 2)
    opening = exchange.snapshot(symbol).quote
    assert (opening.previous, opening.volume) == (closing.price, 0)
    assert opening.high == opening.low == opening.price
    assert len(exchange.changed_since(symbols(exchange), exchange.tick - 1)) == 50


def test_the_market_is_counted(exchange: Exchange) -> None:
    advance(exchange, 100)
    market = exchange.market
    assert exchange.market_changed == 100
    assert 0 < market.rising + market.falling <= 50
    gains, losses = (
        [mover.change for mover in movers] for movers in (market.gainers, market.losers)
    )
    assert gains == sorted(gains, reverse=True)
    assert losses == sorted(losses)
    assert gains[0] >= losses[0]
    assert market.index - 100_000 == pytest.approx(10 * market.change, abs=5)
