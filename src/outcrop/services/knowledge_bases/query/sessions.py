"""Conversations of RetrieveAndGenerate."""

from __future__ import annotations

import time
import uuid

from outcrop.services.contract import Context
from outcrop.services.knowledge_bases.errors import ValidationException
from outcrop.services.knowledge_bases.store import KnowledgeBaseStore, Session

LIFETIME = 24 * 3600
"""Seconds since a session was last used."""
MAX_TURNS = 20
EXTERNAL = "EXTERNAL_SOURCES"
"""Stands for the knowledge base of a session over a document of the caller's."""


class Sessions:
    def __init__(self, store: KnowledgeBaseStore) -> None:
        self._store = store

    def begin(self, ctx: Context, subject: str, session_id: str | None) -> Session:
        """A new session, or the one of that id. Raises ValidationException for an id that the service hasn't given
        out, that belongs to another knowledge base, or that has expired."""
        if session_id is None:
            return Session(str(uuid.uuid4()), ctx.account, subject, [], time.time())
        session = self._store.session(ctx.account, session_id)
        if session is None or session.kb_id != subject or time.time() - session.used_at > LIFETIME:
            raise ValidationException(f"Session with Id {session_id} is not valid. Please check and try again.")
        return session

    def remember(self, session: Session, question: str, answer: str) -> None:
        turns = [*session.turns, (question, answer)][-MAX_TURNS:]
        self._store.put_session(Session(session.id, session.account, session.kb_id, turns, time.time()))
