"""What Outdial says of its own accord, where a script doesn't give its own words."""

SORRY = "Sorry, I didn't get that."  # before the question is asked again
NO_REPLY_GOODBYE = "I'm sorry, I can't hear you. Goodbye."
NO_MATCH_GOODBYE = "I'm sorry, I'm having trouble understanding. Goodbye."
DO_NOT_CALL = "I'm sorry for the disturbance. You won't get another call from us. Goodbye."
NO_TRANSFER = "I'm sorry, I can't put you through right now. Goodbye."
LIMIT_GOODBYE = "I'm sorry, I have to end this call now. Goodbye."
