"""The game's world: players run towards where they point, and pick up coins. It knows nothing of sockets."""

from __future__ import annotations

import math
import random
import struct
from dataclasses import dataclass, field

__all__ = ["HEIGHT", "WIDTH", "Coin", "Player", "World"]

WIDTH, HEIGHT = 1_600, 900
SPEED = 260  # units a second
REACH = 26  # units from which a coin is picked up
COINS = 12

_PLAYER = struct.Struct("<HHHH")


@dataclass(slots=True)
class Player:
    """Somebody who plays; `number` stands for him in the state, and is used again when he has left."""

    number: int
    name: str
    x: float
    y: float
    goal: tuple[float, float]
    score: int = 0


@dataclass(slots=True)
class Coin:
    """Something to be picked up."""

    x: int = field(default_factory=lambda: random.randrange(40, WIDTH - 40))
    y: int = field(default_factory=lambda: random.randrange(40, HEIGHT - 40))


class World:
    """Everything that moves, and what does not."""

    def __init__(self) -> None:
        self.players: dict[int, Player] = {}
        self.coins = [Coin() for _ in range(COINS)]

    def enter(self, name: str) -> Player:
        """Let a player in, somewhere."""
        number = next(number for number in range(len(self.players) + 1) if number not in self.players)
        at = Coin()
        player = self.players[number] = Player(number, name, at.x, at.y, (at.x, at.y))
        return player

    def step(self, seconds: float) -> list[int]:
        """Move on by this time; return which coins have been picked up, and lie elsewhere now."""
        taken = []
        for player in self.players.values():
            dx, dy = player.goal[0] - player.x, player.goal[1] - player.y
            part = min(1.0, SPEED * seconds / (math.hypot(dx, dy) or 1.0))
            player.x += dx * part
            player.y += dy * part
            for index, coin in enumerate(self.coins):
                if abs(coin.x - player.x) < REACH and abs(coin.y - player.y) < REACH:
                    player.score += 1
                    self.coins[index] = Coin()
                    taken.append(index)
        return taken

    def state(self) -> bytes:
        """Number, x, y and score of each player, as unsigned 16-bit numbers."""
        pack = _PLAYER.pack
        return b"".join(
            pack(player.number, int(player.x), int(player.y), player.score & 0xFFFF) for player in self.players.values()
        )
