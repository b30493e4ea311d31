"""What people say on the phone for yes, no, "stop calling me" and "hello?". English.

Written as it is said; matching.py compares without case, punctuation and contractions, and looks for near
spellings itself, so mishearings are not listed.
"""


def _listed(phrases: str) -> tuple[str, ...]:
    return tuple(phrase.strip() for phrase in phrases.split(","))


YES = _listed("""
    yes, yeah, yep, yup, yah, uh huh, mhm, mm hmm, sure, sure thing, okay, ok, alright, all right,
    correct, exactly, absolutely, definitely, certainly, of course, indeed, affirmative, speaking,
    this is she, this is he, this is her, this is him, this is me, that's me, it's me, that works,
    works for me, that worked, that will work, that'll do, it works, works fine, works well,
    works great, that's fine, it's fine, fine by me, fine with me, that's right, that is correct,
    that's good, that's great, that's perfect, that's okay, sounds good, sounds great, sounds fine,
    perfect, wonderful, confirm, confirmed, i confirm, please do, go ahead, you bet, you got it,
    i'll be there, i will be there, i can make it, see you then, no problem, no problem at all,
    no worries, not a problem, why not, no objection, don't see why not
""")

# Only when nothing else is said: "I am" is a yes, "I am driving" is not.
YES_ALONE = _listed("""
    i am, i do, i will, i can, i did, i have, it is, it does, that is, right, good, fine, great, ya, me,
    that's it, cool
""")

NO = _listed("""
    no, nope, nah, no way, no thanks, no thank you, not, never, negative, wrong, incorrect,
    can't make it, i can't make it, won't work, won't be there, doesn't work,
    that doesn't work, doesn't work for me, that doesn't work for me, does not suit, don't think so,
    i don't think so, don't want, not interested, not able, not available, not really, not good,
    this is not, unfortunately not, i'm afraid not, rather not, unable
""")

# Neither a yes nor a no, though they may hold the words of one: these want to hear the question again,
SAY_AGAIN = _listed("""
    say that again, say it again, repeat that, repeat it, could you repeat, can you repeat,
    please repeat, come again, pardon, beg your pardon, what did you say, what was that, didn't hear,
    don't hear, didn't catch, didn't get, can't hear, cannot hear, can hardly hear, couldn't hear,
    don't understand, didn't understand, can't understand, speak up, one more time, excuse me what
""")

# these too, when nothing else is said,
SAY_AGAIN_ALONE = _listed("""
    what, sorry, sorry what, huh, excuse me, repeat, again
""")

# and these want time, or something else.
UNDECIDED = _listed("""
    not sure, don't know, no idea, no clue, who is speaking, who am i speaking, who is this,
    who is calling, not yet, not right now, no hurry, no matter, can't say, right now, don't mind
""")

STOP_CALLING = _listed("""
    stop calling, stop phoning, stop ringing, stop contacting, stop bothering, stop these calls,
    quit calling, don't call me, don't call again, don't call this number, don't call here,
    don't call anymore, don't call any more, don't call us, don't ever call, don't phone, don't ring me,
    don't contact, never call me, never call again,
    never call here, never call this, not to call, no more calls,
    take me off, take my number off, take this number off, take us off, off your list, off the list,
    off your call list, remove me, remove my number, remove this number, remove us, delete my number,
    lose my number, unsubscribe, do not call list, leave me alone
""")

# Words that mean "I am listening" while the other one speaks.
LISTENING = _listed("""
    yes, yeah, yep, okay, right, sure, alright, uh, huh, mhm, mm, hmm, hm, ah, oh, i, see
""")

# Words around an answer that change nothing.
FILLERS = _listed("""
    um, uh, er, erm, hm, hmm, ah, oh, well, please, just, so, and, thanks, thank, you, hi, hello, hey
""")

NUMBER_FILLERS = _listed("""
    press, pressed, pressing, number, option, the, choose, pick, key, digit, dial, it, is, that, i
""")

# Near in spelling and far in meaning: never taken for each other.
DISTINCT = _listed("""
    monday, tuesday, wednesday, thursday, friday, saturday, sunday, january, february, march, april,
    june, july, august, september, october, november, december, three, seven, eight, eleven, twelve,
    thirteen, thirty, fourteen, forty, fifteen, fifty, sixteen, sixty, seventeen, seventy, eighteen,
    eighty, nineteen, ninety, first, third, fourth, fifth, sixth, morning, evening
""")

# A whole utterance of these is somebody asking whether anyone is there, not an answer.
GREETING = (
    r"(?:(?:yes|yeah|yep|okay|oh|um|uh|er|ah|eh|well|i am|am|and) )*"  # an "um" is heard as many things
    r"(?:hello|hallo|hullo|hi|hey|good (?:morning|afternoon|evening|day))"
    r"(?: (?:hello|hallo|hi|hey|yes|yeah|there|good (?:morning|afternoon|evening|day)|are you there"
    r"|(?:is )?(?:anyone|anybody|someone|somebody)(?: is)? there))*"
)

# A recogniser writes numbers as it likes ("two", "to", "2"); these count only when nothing else is said.
NUMBER_WORDS = {
    "zero": "0", "oh": "0", "one": "1", "won": "1", "two": "2", "to": "2", "too": "2", "three": "3",
    "four": "4", "for": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "ate": "8", "nine": "9",
    "ten": "10", "eleven": "11", "twelve": "12", "star": "*", "pound": "#", "hash": "#",
}
