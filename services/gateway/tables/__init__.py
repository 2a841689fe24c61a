"""What the gateway remembers: its read models, the feed of all facts, and who may come in."""

from services.gateway.tables.access import Account, AccountGrant, ApiKey, FailedSignIns, Invitation, Session
from services.gateway.tables.base import Base, Feed, Generation
from services.gateway.tables.read_model import (
    READ_MODEL_VERSION,
    Campaign,
    Centre,
    DeliveryMember,
    FigureDay,
    Helped,
    Member,
    Progress,
    ReadModel,
    Tick,
)

__all__ = [
    "READ_MODEL_VERSION",
    "Account",
    "AccountGrant",
    "ApiKey",
    "Base",
    "Campaign",
    "Centre",
    "DeliveryMember",
    "FailedSignIns",
    "Feed",
    "FigureDay",
    "Generation",
    "Helped",
    "Invitation",
    "Member",
    "Progress",
    "ReadModel",
    "Session",
    "Tick",
]
