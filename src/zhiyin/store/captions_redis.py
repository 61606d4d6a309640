"""Caption rooms that several processes share, in Redis or Valkey.

A room has a lease (a key that expires), a stream of settled captions (bounded, expiring) and a
channel for all messages. The scripts make each step atomic: only the lease's holder publishes, and
after a broken connection a message can be published again without harm.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from zhiyin.domain.captions import UNREADABLE, Caption, CaptionMessage, CaptionsErased
from zhiyin.domain.errors import CannotDecrypt, ConfigError, Unavailable
from zhiyin.ports.cipher import Cipher
from zhiyin.store.captions_wire import decode, encode

log = logging.getLogger(__name__)

_QUIET_S = 5.0  # a channel that is silent for so long is pinged

_CLAIM = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""

# The log is written anew: what XDEL deletes stays in memory and files for a while.
# KEYS: log. ARGV: owner.
_ERASE = """
local left = redis.call('PTTL', KEYS[1])
local kept, erased = {}, 0
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
  if entry[2][8] == ARGV[1] then erased = erased + 1 else table.insert(kept, entry) end
end
if erased == 0 then return 0 end
redis.call('DEL', KEYS[1])
for _, entry in ipairs(kept) do redis.call('XADD', KEYS[1], entry[1], unpack(entry[2])) end
if left > 0 then redis.call('PEXPIRE', KEYS[1], left) end
return erased
"""

# KEYS: lease, log. ARGV: holder, lease in ms, channel, body, speaker, caption id or '' for what
# passes, captions kept, ms kept, owner. The newest entry is nearly always the speaker's own; the
# whole log is read for the first caption of a turn only.
_PUBLISH = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if ARGV[6] ~= '' then
  local function last(...)
    for _, entry in ipairs(redis.call('XREVRANGE', KEYS[2], '+', '-', ...)) do
      if entry[2][2] == ARGV[5] then return tonumber(entry[2][4]) end
    end
  end
  local known = last('COUNT', 1) or last()
  if known and known >= tonumber(ARGV[6]) then return 1 end
  redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[7], '*',
             'speaker', ARGV[5], 'id', ARGV[6], 'body', ARGV[4], 'owner', ARGV[9])
  redis.call('PEXPIRE', KEYS[2], ARGV[8])
end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
"""


class RedisCaptions:
    """A `CaptionStore`; every answer is waited for `timeout_s` seconds at most.

    Messages are sealed by `cipher`. A follower is warned once if some can't be decrypted.
    """

    def __init__(
        self,
        url: str,
        cipher: Cipher,
        *,
        history: int = 500,
        history_s: float = 3600.0,
        lease_s: float = 15.0,
        timeout_s: float = 2.0,
    ) -> None:
        """Nothing is connected yet. Raises ConfigError for a URL that is none."""
        self._cipher = cipher
        self._timeout_s = timeout_s
        self._lease_ms = round(lease_s * 1000)
        self._kept = (history, round(history_s * 1000))
        try:
            self._redis = Redis.from_url(
                url,
                decode_responses=True,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
                # Retrying is left to the callers.
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError:
            # What is wrong with it would quote it, and there may be a password in it.
            raise ConfigError("captions.url: this is not the address of a Redis server.") from None
        # Channels are shared by all databases of a server.
        self._database = self._redis.connection_pool.connection_kwargs.get("db") or 0
        self._claim = self._redis.register_script(_CLAIM)
        self._release = self._redis.register_script(_RELEASE)
        self._erase = self._redis.register_script(_ERASE)
        self._publish = self._redis.register_script(_PUBLISH)

    async def claim(self, room: str, holder: str) -> bool:
        """See the port."""
        with _reached():
            return bool(await self._claim([_key(room, "lease")], [holder, self._lease_ms]))

    async def release(self, room: str, holder: str) -> None:
        """See the port."""
        with _reached():
            await self._release([_key(room, "lease")], [holder])

    async def publish(self, room: str, holder: str, message: CaptionMessage) -> bool:
        """See the port."""
        speaker = f"{message.replica}:{message.turn}"
        number = message.event.id if isinstance(message.event, Caption) and message.settled else ""
        keys = [_key(room, "lease"), _key(room, "record")]
        body = encode(message, room, self._cipher)
        with _reached():
            done = await self._publish(
                keys,
                [holder, self._lease_ms, self._channel(room), body, speaker, number, *self._kept,
                 message.owner],
            )  # fmt: skip
        return bool(done)

    async def history(self, room: str) -> tuple[CaptionMessage, ...]:
        """See the port."""
        return tuple(self._decoded(room, await self._read_log(room)))

    async def erase(self, owner: str) -> int:
        """See the port."""
        erased = 0
        with _reached():
            keys = [str(key) async for key in self._redis.scan_iter(_key("*", "*"))]
            for room in {key.split("{")[1].split("}")[0] for key in keys}:
                erased += int(await self._erase([_key(room, "record")], [owner]))
                body = encode(
                    CaptionMessage("", 0, CaptionsErased(owner), owner), room, self._cipher
                )
                await self._redis.publish(self._channel(room), body)
        return erased

    async def follow(self, room: str) -> AsyncGenerator[tuple[CaptionMessage, ...], None]:
        """See the port."""
        channel = self._redis.pubsub()
        try:
            with _reached():
                await channel.subscribe(self._channel(room))
                # Once it is confirmed, what is not in the log yet will come by the channel.
                if await channel.get_message(timeout=self._timeout_s) is None:
                    raise Unavailable("Redis does not confirm the subscription.")
            messages, warned = self._readable(room, await self._read_log(room))
            yield (*messages, CaptionMessage("", 0, UNREADABLE)) if warned else messages
            while True:
                with _reached():
                    text = await self._next(channel)
                messages, unreadable = self._readable(room, [text])
                if unreadable and not warned:
                    warned, messages = True, (CaptionMessage("", 0, UNREADABLE),)
                if messages:
                    yield messages
        finally:
            with suppress(RedisError, OSError):
                await channel.aclose()  # type: ignore[no-untyped-call]

    async def check(self) -> None:
        """See the port."""
        with _reached():
            await self._redis.ping()

    async def close(self) -> None:
        """See the port."""
        with suppress(RedisError, OSError):
            await self._redis.aclose()

    async def _read_log(self, room: str) -> list[str]:
        with _reached():
            entries: list[Any] = await self._redis.xrange(_key(room, "record")) or []
        return [str(fields.get("body")) for _, fields in entries]

    def _decoded(self, room: str, texts: Iterable[str]) -> Iterator[CaptionMessage]:
        """Raises CannotDecrypt."""
        for text in texts:
            try:
                yield decode(text, room, self._cipher)
            except ValueError:
                log.warning("a caption in Redis is not ours, or of another version; passed over")

    def _readable(self, room: str, texts: Iterable[str]) -> tuple[tuple[CaptionMessage, ...], bool]:
        """The messages that can be decrypted, and whether some can't."""
        found: list[CaptionMessage] = []
        unreadable = False
        for text in texts:
            try:
                found += self._decoded(room, [text])
            except CannotDecrypt as error:
                unreadable = True
                log.error("a caption in Redis can't be decrypted: %s", error.message)
        return tuple(found), unreadable

    def _channel(self, room: str) -> str:
        return f"{_key(room, 'told')}@{self._database}"

    async def _next(self, channel: PubSub) -> str:
        asked = False
        while True:
            wait_s = self._timeout_s if asked else _QUIET_S
            message: dict[str, Any] | None = await channel.get_message(timeout=wait_s)
            if message is None:
                if asked:
                    raise Unavailable("Redis has fallen silent.")
                await channel.ping()
            elif message["type"] == "message":
                return str(message["data"])
            asked = message is None


def _key(room: str, what: str) -> str:
    """Keys of one room lie in one slot of a cluster."""
    return f"zhiyin:captions:{{{room}}}:{what}"


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        kind = type(error).__name__
        raise Unavailable(f"The shared captions are out of reach ({kind}).") from error
