"""Access to models of other providers: agreements, and the form that describes a use case.

Every model is open from the start, as accounts of today find it. An agreement that is deleted closes its model to the
account until it is made again.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from outcrop.services.bedrock.errors import no_such_model
from outcrop.services.contract import ConflictException, ResourceNotFoundException, ValidationException

if TYPE_CHECKING:
    from outcrop.services.bedrock.catalogue import Catalogue, FoundationModel
    from outcrop.services.bedrock.store import BedrockStore
    from outcrop.services.contract import Context, Request, Result

_OWN = "Amazon"
_LEGAL = "https://aws.amazon.com/legal/bedrock/third-party-models/"


class Agreements:
    def __init__(self, catalogue: Catalogue, store: BedrockStore) -> None:
        self._catalogue = catalogue
        self._store = store

    async def list_foundation_model_agreement_offers(self, ctx: Context, request: Request) -> Result:
        model = self._find(request["modelId"])
        offer = {
            "offerId": f"offer-{_digest(model)[:13]}",
            "offerToken": _digest(model),
            "termDetails": {
                "usageBasedPricingTerm": {"rateCard": []},
                "legalTerm": {"url": _LEGAL},
                "supportTerm": {"refundPolicyDescription": "Nothing is charged on this machine."},
                "validityTerm": {},
            },
        }
        return {"modelId": model.id, "offers": [offer]}

    async def create_foundation_model_agreement(self, ctx: Context, request: Request) -> Result:
        model = self._find(request["modelId"])
        if request["offerToken"] != _digest(model):
            raise ValidationException(
                "The offer token is not one of this model. List its offers with ListFoundationModelAgreementOffers."
            )
        if not self._store.has_given_up(ctx.account, model.id):
            raise ConflictException(f"An agreement for the model {model.id} already exists.")
        self._store.agree(ctx.account, model.id, given_up=False)
        return {"modelId": model.id}

    async def delete_foundation_model_agreement(self, ctx: Context, request: Request) -> Result:
        model = self._find(request["modelId"])
        if self._store.has_given_up(ctx.account, model.id):
            raise ResourceNotFoundException(f"There is no agreement for the model {model.id}.")
        self._store.agree(ctx.account, model.id, given_up=True)
        return {}

    async def put_use_case_for_model_access(self, ctx: Context, request: Request) -> Result:
        self._store.put_use_case(ctx.account, request["formData"])
        return {}

    async def get_use_case_for_model_access(self, ctx: Context, request: Request) -> Result:
        form = self._store.use_case(ctx.account)
        if form is None:
            raise ResourceNotFoundException("No use case has been submitted for this account.")
        return {"formData": form}

    def _find(self, model_id: str) -> FoundationModel:
        model = self._catalogue.models.get(model_id)
        if model is None:
            raise no_such_model()
        if model.provider == _OWN:
            raise ValidationException(f"The model {model_id} needs no agreement.")
        return model


def _digest(model: FoundationModel) -> str:
    return hashlib.sha256(f"offer of {model.id}".encode()).hexdigest()
