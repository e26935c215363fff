import unittest

from slug import slug


class SlugTest(unittest.TestCase):
    def test_words_are_joined_by_dashes(self):
        self.assertEqual(slug("Done Means Checked"), "done-means-checked")

    def test_case_is_dropped(self):
        self.assertEqual(slug("PROVOST"), "provost")


if __name__ == "__main__":
    unittest.main()
