"""Vulgar English words with their usual forms: a list made for Outcrop, short on purpose. It holds no slurs."""

from __future__ import annotations

_FORMS = {
    "fuck": "fuck fucks fucked fucker fuckers fucking motherfucker motherfuckers motherfucking fuckup fuckface",
    "shit": "shit shits shitty shitting bullshit horseshit dipshit shithead shitheads shithole",
    "ass": "ass asses asshole assholes arse arsehole arseholes jackass dumbass smartass",
    "bitch": "bitch bitches bitching bitchy",
    "bastard": "bastard bastards",
    "cunt": "cunt cunts",
    "dick": "dickhead dickheads",
    "cock": "cocksucker cocksuckers",
    "piss": "piss pissed pissing",
    "damn": "damn damned goddamn goddamned dammit",
    "crap": "crap crappy",
    "wank": "wank wanker wankers wanking",
    "others": "bollocks bugger twat twats prick pricks slut sluts whore whores tosser douchebag douchebags",
}

PROFANITY = tuple(word for forms in _FORMS.values() for word in forms.split())
