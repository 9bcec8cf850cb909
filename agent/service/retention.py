"""What is too old goes by itself: cases that nothing happened to, and uploads that no case took up."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from datetime import timedelta

from agent.errors import FoveaError
from agent.service.house import House
from agent.service.keys import LOCAL

log = logging.getLogger("fovea.service")
LOOKED_AFTER_SECONDS = 600.0
"""Between two looks: what is kept for days may stay ten minutes longer."""


async def sweep(house: House) -> int:
    """Deletes what is too old now. Returns how many cases that were. A case that is being walked is left until it has ended."""
    service = house.settings.service
    gone = 0
    if service.retention_days is not None:
        for case_id in await asyncio.to_thread(house.register.untouched_since, timedelta(days=service.retention_days)):
            if house.pool.running(case_id) is None:
                try:
                    await house.remove(case_id)
                except FoveaError as error:  # the others must not wait for it
                    log.error("an old case could not be deleted: %s", type(error).__name__)
                    continue
                await asyncio.to_thread(house.audit.note, "retention", LOCAL, "admin", "case.expire", case_id)
                gone += 1
    await house.remove_images(lambda: house.register.forget_unused_images(timedelta(hours=service.unused_image_hours)))
    if not await asyncio.to_thread(house.database.scrub):
        log.warning("the log of the service's database is being read by another process and is emptied later")
    return gone


async def keep_sweeping(house: House, seconds: float = LOOKED_AFTER_SECONDS) -> None:
    """Sweeps now and again until cancelled. A sweep that fails is logged and tried again: it must not end with the first full disk."""
    while True:
        try:
            await sweep(house)
        except (FoveaError, OSError, sqlite3.Error) as error:
            log.error("what is too old could not be deleted: %s", type(error).__name__)
        await asyncio.sleep(seconds)
