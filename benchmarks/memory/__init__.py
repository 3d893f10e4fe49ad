"""Does the memory of a call stay within what is promised, however much there is to do?"""
