"""What can be wrong with a form as a whole, in the words of `fields.csv`."""

from shared.words import wrong_in

wrong = wrong_in(__name__)
