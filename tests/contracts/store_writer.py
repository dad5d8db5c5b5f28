"""One of several processes that write to a store: python -m <this> <store> <objects> <steps> <number>."""

import sys

from tests.contracts.store_suite import Place, insert, shows, step

from sightline.errors import StaleHeadError


def main(where, objects, count, number):
    """Insert steps and put each on `main`, looking again whenever another process was first."""
    place = Place(where, objects or None)
    database = place.again()
    for index in range(int(number) * int(count), (int(number) + 1) * int(count)):
        while True:
            ref = database.get_ref("branch", "main")
            made = insert(
                database, step(index, ref.target, recipe=f"{index}", outputs=shows(f"{index:064x}"))
            )
            try:
                database.move_ref("branch", "main", expected=ref.target, new=made.id)
            except StaleHeadError:
                database.delete_steps([made.id])
                continue
            break
    place.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
